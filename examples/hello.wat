;; The smallest program: a WASI 0.1 module that prints one line. `mc run examples/hello.wat`
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; One piece of output: where it begins and how long it is. The text itself is at 8.
  (data (i32.const 0) "\08\00\00\00\18\00\00\00")
  (data (i32.const 8) "hello from mutual cloud\n")
  (func (export "_start")
    ;; stdout, the piece at 0, one of it; the number of bytes written goes to 32.
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))
