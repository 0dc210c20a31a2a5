;; Asks for 3 GiB of memory before it begins, and then does nothing.
(module
  (memory (export "memory") 49152)
  (func (export "_start")))
