;; Short inner loops of stores: the primes below a million, one byte a number.
(module
  (memory 16)
  (func (export "canister_update run") (local $i i32) (local $j i32) (local $count i32)
    (memory.fill (i32.const 16) (i32.const 1) (i32.const 1000000))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.load8_u offset=16 (local.get $i)) (then
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $j (i32.shl (local.get $i) (i32.const 1)))
        (block $done
          (loop $strike
            (br_if $done (i32.ge_u (local.get $j) (i32.const 1000000)))
            (i32.store8 offset=16 (local.get $j) (i32.const 0))
            (local.set $j (i32.add (local.get $j) (local.get $i)))
            (br $strike)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 1000000))))
    (i32.store (i32.const 0) (local.get $count))))
