;; Floats: the product of two matrices of 160 x 160 doubles.
(module
  (memory 16)
  (func $at (param $base i32) (param $row i32) (param $column i32) (result i32)
    (i32.add (local.get $base) (i32.shl
      (i32.add (i32.mul (local.get $row) (i32.const 160)) (local.get $column)) (i32.const 3))))
  (func $fill (param $base i32) (local $i i32)
    (loop $next
      (f64.store (i32.add (local.get $base) (i32.shl (local.get $i) (i32.const 3)))
        (f64.div (f64.convert_i32_u (i32.rem_u (i32.mul (local.get $i) (i32.const 7919)) (i32.const 1009)))
          (f64.const 31)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 25600)))))
  (func (export "canister_update run")
    (local $i i32) (local $j i32) (local $k i32) (local $sum f64) (local $a i32) (local $b i32)
    (call $fill (i32.const 0))
    (call $fill (i32.const 204800))
    (local.set $i (i32.const 0))
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $sum (f64.const 0))
        (local.set $k (i32.const 0))
        (local.set $a (call $at (i32.const 0) (local.get $i) (i32.const 0)))
        (local.set $b (call $at (i32.const 204800) (i32.const 0) (local.get $j)))
        (loop $terms
          (local.set $sum (f64.add (local.get $sum)
            (f64.mul (f64.load (local.get $a)) (f64.load (local.get $b)))))
          (local.set $a (i32.add (local.get $a) (i32.const 8)))
          (local.set $b (i32.add (local.get $b) (i32.const 1280)))
          (local.set $k (i32.add (local.get $k) (i32.const 1)))
          (br_if $terms (i32.lt_u (local.get $k) (i32.const 160))))
        (f64.store (call $at (i32.const 409600) (local.get $i) (local.get $j)) (local.get $sum))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $columns (i32.lt_u (local.get $j) (i32.const 160))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $rows (i32.lt_u (local.get $i) (i32.const 160))))))
