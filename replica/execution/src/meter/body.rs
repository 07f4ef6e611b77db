//! Rewrites one function body: its operators as they are, with charges and tests in between.
//!
//! The function works on a copy of the counter in a local, which keeps the counter out of the
//! chain of loads and stores of a loop; every charge stores the copy to the global without
//! reading it back, so that the global is exact when a trap or a system function looks at it.
//!
//! A function with tests is wrapped, so that all of them branch to one trap at its end:
//!
//! ```text
//!  block $exhausted
//!    block $body (results)        takes the place of the function's own label
//!      counter = counter - cost; global = counter; if counter < 0 branch to $exhausted
//!      ...
//!    end
//!    return
//!  end
//!  unreachable                    a trap with a counter below zero: out of instructions
//! ```

use wasm_encoder::{BlockType, Encode, Instruction as I, ValType};
use wasmparser::{BinaryReaderError, FunctionBody};

use super::charges::{Insertion, OperandWidth, What};

/// A length beyond any memory. Charging it exhausts every limit, and the counter cannot overflow
/// however often that happens before a test.
const LENGTH_MAX: i64 = 1 << 48;

/// What the rewriting must know of the function and its module.
pub(super) struct Shape {
    pub parameters: usize,
    /// The function's results, as the type of a block.
    pub results: BlockType,
    /// Index of the counter among the globals.
    pub counter: u32,
}

/// The rewritten body: locals and operators, without its length.
pub(super) fn rewrite(
    module: &[u8],
    body: &FunctionBody<'_>,
    insertions: &[Insertion],
    shape: &Shape,
) -> Result<Vec<u8>, BinaryReaderError> {
    let operators = body.get_operators_reader()?.original_position()..body.range().end;
    let mut writer = Writer::begin(module, body, shape)?;
    let tests = insertions.iter().any(|insertion| insertion.what.tests());
    if tests {
        writer.emit(&[I::Block(BlockType::Empty), I::Block(shape.results)]);
    }
    if !insertions.is_empty() {
        writer.insert(What::Reload, 0);
    }
    let mut copied = operators.start;
    for insertion in insertions {
        writer.out.extend(&module[copied..insertion.offset]);
        copied = insertion.offset;
        writer.insert(insertion.what, insertion.labels);
    }
    writer.out.extend(&module[copied..operators.end]);
    if tests {
        // The body's own last `end` has closed the inner block.
        writer.emit(&[I::Return, I::End, I::Unreachable, I::End]);
    }
    Ok(writer.out)
}

impl What {
    fn tests(self) -> bool {
        match self {
            What::Reload => false,
            What::Charge { test, .. } => test,
            What::ChargeOperand(_) => true,
        }
    }
}

struct Writer {
    out: Vec<u8>,
    /// Index of the global.
    global: u32,
    /// Indices of our locals.
    counter: u32,
    length_32: u32,
    length_64: u32,
}

impl Writer {
    /// Begins a body with its declarations of locals and ours behind them.
    fn begin(
        module: &[u8],
        body: &FunctionBody<'_>,
        shape: &Shape,
    ) -> Result<Self, BinaryReaderError> {
        let mut reader = body.get_locals_reader()?;
        let groups = reader.get_count();
        let declarations = reader.original_position();
        let mut locals = u32::try_from(shape.parameters).expect("parameters are counted by u32");
        for _ in 0..groups {
            locals += reader.read()?.0;
        }
        let mut out = Vec::with_capacity(2 * body.range().len());
        (groups + 2).encode(&mut out);
        out.extend(&module[declarations..reader.original_position()]);
        for (count, ty) in [(2u32, ValType::I64), (1, ValType::I32)] {
            count.encode(&mut out);
            ty.encode(&mut out);
        }
        let (counter, length_64, length_32) = (locals, locals + 1, locals + 2);
        Ok(Writer { out, global: shape.counter, counter, length_32, length_64 })
    }

    fn emit(&mut self, instructions: &[I<'_>]) {
        for instruction in instructions {
            instruction.encode(&mut self.out);
        }
    }

    fn insert(&mut self, what: What, labels: u32) {
        match what {
            What::Reload => self.emit(&[I::GlobalGet(self.global), I::LocalSet(self.counter)]),
            What::Charge { instructions, test } => {
                let cost = i64::try_from(instructions).expect("a body costs less than 2^63");
                if instructions > 0 {
                    self.emit(&[I::LocalGet(self.counter), I::I64Const(cost)]);
                    self.subtract();
                }
                if test {
                    self.test(labels);
                }
            }
            What::ChargeOperand(width) => {
                self.push_counter_and_length(width);
                self.subtract();
                self.test(labels);
            }
        }
    }

    /// Keeps the length on top of the stack for its operator, and pushes the counter and the
    /// length as an unsigned number that is not too large.
    fn push_counter_and_length(&mut self, width: OperandWidth) {
        match width {
            OperandWidth::I32 => self.emit(&[
                I::LocalTee(self.length_32),
                I::LocalGet(self.counter),
                I::LocalGet(self.length_32),
                I::I64ExtendI32U,
            ]),
            OperandWidth::I64 => self.emit(&[
                I::LocalTee(self.length_64),
                I::LocalGet(self.counter),
                I::LocalGet(self.length_64),
                I::I64Const(LENGTH_MAX),
                I::LocalGet(self.length_64),
                I::I64Const(LENGTH_MAX),
                I::I64LtU,
                I::Select,
            ]),
        }
    }

    fn subtract(&mut self) {
        self.emit(&[I::I64Sub, I::LocalTee(self.counter), I::GlobalSet(self.global)]);
    }

    fn test(&mut self, labels: u32) {
        self.emit(&[I::LocalGet(self.counter), I::I64Const(0), I::I64LtS, I::BrIf(labels)]);
    }
}
