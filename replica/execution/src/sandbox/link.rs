//! Binds the imports of modules to the system interface.

use wasmtime::{Caller, Linker};

use super::execute::{self, Host};
use crate::meter::{Ic0, Kind, Width};

/// All imports, for modules of each width.
pub(super) struct Linkers {
    bits_32: Linker<Host>,
    bits_64: Linker<Host>,
}

impl Linkers {
    pub fn new(machine: &wasmtime::Engine) -> wasmtime::Result<Self> {
        let linker = |width| -> wasmtime::Result<Linker<Host>> {
            let mut linker = Linker::new(machine);
            for &function in Ic0::ALL.iter().filter(|function| function.exists_in(width)) {
                link(&mut linker, function, width)?;
            }
            Ok(linker)
        };
        Ok(Linkers { bits_32: linker(Width::Bits32)?, bits_64: linker(Width::Bits64)? })
    }

    pub fn for_width(&self, width: Width) -> &Linker<Host> {
        match width {
            Width::Bits32 => &self.bits_32,
            Width::Bits64 => &self.bits_64,
        }
    }
}

/// A wasm number as an argument or a result of the system interface.
trait Number {
    fn widen(self) -> u64;
    fn narrow(result: u64) -> Self;
}

impl Number for i32 {
    fn widen(self) -> u64 {
        u64::from(self.cast_unsigned())
    }

    fn narrow(result: u64) -> Self {
        result as u32 as i32
    }
}

impl Number for i64 {
    fn widen(self) -> u64 {
        self.cast_unsigned()
    }

    fn narrow(result: u64) -> Self {
        result.cast_signed()
    }
}

/// Binds a function by the shape of its type: `w` and `l` for each parameter of 32 and 64 bits.
/// Each shape needs a closure of its own type, so the macro lists those that exist.
macro_rules! bind {
    ($linker:ident, $function:ident, $shape:expr; $($key:literal => ($($p:ident: $t:ty),*) $(-> $r:ty)?;)*) => {
        match $shape.as_str() {
            $($key => {
                $linker.func_wrap(
                    "ic0",
                    $function.name(),
                    move |caller: Caller<'_, Host>, $($p: $t),*| {
                        let result = execute::call(caller, $function, &[$($p.widen()),*]);
                        bind!(@result result $($r)?)
                    },
                )?;
            })*
            shape => {
                let name = $function.name();
                return Err(wasmtime::Error::msg(format!("ic0.{name} has the new shape {shape}")));
            }
        }
    };
    (@result $result:ident) => { $result.map(|_| ()) };
    (@result $result:ident $r:ty) => { $result.map(<$r as Number>::narrow) };
}

fn link(linker: &mut Linker<Host>, function: Ic0, width: Width) -> wasmtime::Result<()> {
    bind! { linker, function, shape(function, width);
        "" => ();
        "w" => (a: i32);
        "l" => (a: i64);
        "ww" => (a: i32, b: i32);
        "ll" => (a: i64, b: i64);
        "www" => (a: i32, b: i32, c: i32);
        "lll" => (a: i64, b: i64, c: i64);
        "llw" => (a: i64, b: i64, c: i32);
        "wwww" => (a: i32, b: i32, c: i32, d: i32);
        "llll" => (a: i64, b: i64, c: i64, d: i64);
        "wwwww" => (a: i32, b: i32, c: i32, d: i32, e: i32);
        "lllll" => (a: i64, b: i64, c: i64, d: i64, e: i64);
        "wwwwwwww" => (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32);
        "llllllll" => (a: i64, b: i64, c: i64, d: i64, e: i64, f: i64, g: i64, h: i64);
        "->w" => () -> i32;
        "->l" => () -> i64;
        "w->w" => (a: i32) -> i32;
        "w->l" => (a: i32) -> i64;
        "l->l" => (a: i64) -> i64;
        "ww->w" => (a: i32, b: i32) -> i32;
        "ll->w" => (a: i64, b: i64) -> i32;
        "ll->l" => (a: i64, b: i64) -> i64;
        "wwww->w" => (a: i32, b: i32, c: i32, d: i32) -> i32;
        "llwl->w" => (a: i64, b: i64, c: i32, d: i64) -> i32;
    }
    Ok(())
}

fn shape(function: Ic0, width: Width) -> String {
    let letter = |kind: &Kind| match kind.value_type(width) {
        wasmparser::ValType::I32 => 'w',
        _ => 'l',
    };
    let mut shape: String = function.parameters().iter().map(letter).collect();
    if let Some(kind) = function.result() {
        shape.push_str("->");
        shape.push(letter(&kind));
    }
    shape
}
