;; Branches and recursion: quicksort of 100,000 pseudo-random words.
(module
  (memory 8)
  (func $load (param $i i32) (result i32) (i32.load (i32.shl (local.get $i) (i32.const 2))))
  (func $sort (param $low i32) (param $high i32)
    (local $i i32) (local $j i32) (local $pivot i32) (local $held i32)
    (br_if 0 (i32.ge_s (local.get $low) (local.get $high)))
    (local.set $pivot (call $load (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1))))
    (local.set $i (local.get $low))
    (local.set $j (local.get $high))
    (block $parted
      (loop $part
        (loop $up
          (if (i32.lt_u (i32.load (i32.shl (local.get $i) (i32.const 2))) (local.get $pivot)) (then
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $up))))
        (loop $down
          (if (i32.gt_u (i32.load (i32.shl (local.get $j) (i32.const 2))) (local.get $pivot)) (then
            (local.set $j (i32.sub (local.get $j) (i32.const 1)))
            (br $down))))
        (br_if $parted (i32.gt_s (local.get $i) (local.get $j)))
        (local.set $held (i32.load (i32.shl (local.get $i) (i32.const 2))))
        (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.load (i32.shl (local.get $j) (i32.const 2))))
        (i32.store (i32.shl (local.get $j) (i32.const 2)) (local.get $held))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (local.set $j (i32.sub (local.get $j) (i32.const 1)))
        (br_if $part (i32.le_s (local.get $i) (local.get $j)))))
    (call $sort (local.get $low) (local.get $j))
    (call $sort (local.get $i) (local.get $high)))
  (func (export "canister_update run") (local $i i32) (local $random i32)
    (local.set $random (i32.const 12345))
    (loop $fill
      (local.set $random (i32.add (i32.mul (local.get $random) (i32.const 1664525)) (i32.const 1013904223)))
      (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $random))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 100000))))
    (call $sort (i32.const 0) (i32.const 99999))))
