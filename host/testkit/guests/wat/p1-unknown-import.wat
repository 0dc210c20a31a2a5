;; A WASI 0.1 program with an import that nobody offers.
(module
  (import "nobody:knows/this" "function" (func $function))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $function)))
