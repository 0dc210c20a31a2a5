;; A module that offers something, but nothing to run.
(module
  (memory (export "memory") 1)
  (func (export "answer") (result i32)
    (i32.const 42)))
