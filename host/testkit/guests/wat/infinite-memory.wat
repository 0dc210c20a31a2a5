;; Grows its memory for ever, a mebibyte at a time, and writes to each; gives up by a trap when it gets no more.
(module
  (memory (export "memory") 1)
  (func (export "_start") (local $before i32)
    (loop $more
      (local.set $before (memory.grow (i32.const 16)))
      (if (i32.eq (local.get $before) (i32.const -1))
        (then (unreachable)))
      (memory.fill
        (i32.shl (local.get $before) (i32.const 16))
        (i32.const 1)
        (i32.const 0x100000))
      (br $more))))
