;; A component with an import that nobody offers. Otherwise it is a program that does nothing and succeeds.
(component
  (import "nobody:knows/this@1.0.0" (instance $this
    (export "function" (func))))
  (alias export $this "function" (func $function))
  (core func $function-core (canon lower (func $function)))
  (core module $module
    (import "this" "function" (func $function))
    (func (export "run") (result i32)
      (call $function)
      (i32.const 0)))
  (core instance $instance (instantiate $module
    (with "this" (instance (export "function" (func $function-core))))))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $cli-run (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli-run)))
