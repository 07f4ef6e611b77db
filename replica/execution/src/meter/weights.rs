//! How many instructions each wasm operator counts for: the one table. It follows the weights of
//! the Internet Computer; changing any entry changes results, so it is part of consensus.

use wasmparser::Operator;

use super::Width;

/// Charged by `memory.grow`, besides nothing for the new pages: they cost when they are written.
pub const MEMORY_GROW: u64 = 300;

/// Charged by `memory.fill`, `memory.copy` and `memory.init` besides one for each byte, and by
/// their table counterparts besides one for each element.
pub const BULK: u64 = 100;

/// The weight of one operator. Bulk operators and `table.grow` are charged for their length in
/// addition, when that is known.
pub fn weight(operator: &Operator<'_>, width: Width) -> u64 {
    use Operator as O;
    match operator {
        O::Block { .. } | O::Loop { .. } | O::Else | O::End => 0,
        O::If { .. } | O::Br { .. } | O::BrIf { .. } | O::BrTable { .. } => 2,

        O::Call { .. } => 5,
        O::CallIndirect { .. } => 10,
        O::ReturnCall { .. } => 3,
        O::ReturnCallIndirect { .. } => 60,

        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU => 10,
        O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => 10,

        O::F32Add | O::F32Sub | O::F32Mul | O::F64Add | O::F64Sub | O::F64Mul => 2,
        O::F32Ceil | O::F32Floor | O::F32Trunc | O::F32Nearest => 2,
        O::F64Ceil | O::F64Floor | O::F64Trunc | O::F64Nearest => 2,
        O::F32Div => 3,
        O::F64Div => 5,
        O::F32Min | O::F32Max | O::F64Min | O::F64Max => 18,
        O::F32Copysign => 2,
        O::F64Copysign => 3,
        O::F32Sqrt => 5,
        O::F64Sqrt => 8,
        O::F32Eq | O::F32Ne | O::F32Lt | O::F32Gt | O::F32Le | O::F32Ge => 3,
        O::F64Eq | O::F64Ne | O::F64Lt | O::F64Gt | O::F64Le | O::F64Ge => 3,

        O::F32ConvertI32S | O::F32ConvertI64S | O::F64ConvertI32S | O::F64ConvertI64S => 3,
        O::F32ConvertI32U | O::F32ConvertI64U | O::F64ConvertI32U | O::F64ConvertI64U => 16,
        O::I32TruncF32S | O::I32TruncF32U | O::I32TruncF64S | O::I32TruncF64U => 20,
        O::I64TruncF32S | O::I64TruncF32U | O::I64TruncF64S | O::I64TruncF64U => 20,
        O::I32TruncSatF32S | O::I32TruncSatF32U | O::I32TruncSatF64S | O::I32TruncSatF64U => 20,
        O::I64TruncSatF32S | O::I64TruncSatF32U | O::I64TruncSatF64S | O::I64TruncSatF64U => 20,

        O::GlobalGet { .. } | O::GlobalSet { .. } => 2,
        O::TableGet { .. } | O::TableSet { .. } => 5,
        O::TableSize { .. } => 100,
        O::TableGrow { .. } => 300,
        O::MemoryGrow { .. } => MEMORY_GROW,
        O::MemorySize { .. } => 20,
        O::MemoryFill { .. } | O::MemoryCopy { .. } | O::MemoryInit { .. } => BULK,
        O::TableFill { .. } | O::TableCopy { .. } | O::TableInit { .. } => BULK,
        O::DataDrop { .. } | O::ElemDrop { .. } => 300,

        O::RefIsNull => 5,
        O::RefFunc { .. } => 130,

        O::I8x16Shuffle { .. } | O::I8x16Swizzle => 3,
        O::I8x16LtU | O::I8x16GtU | O::I8x16LeU | O::I8x16GeU => 2,
        O::I16x8LtU | O::I16x8GtU | O::I16x8LeU | O::I16x8GeU => 2,
        O::I32x4LtU | O::I32x4GtU | O::I32x4LeU | O::I32x4GeU => 2,

        other if accesses_memory(other) => match width {
            Width::Bits32 => 1,
            Width::Bits64 => 2,
        },
        // Constants, integer arithmetic and comparisons, locals, conversions that only look at
        // bits, and the rest of SIMD.
        _ => 1,
    }
}

/// Whether the operator loads from or stores to memory at an address on the stack.
fn accesses_memory(operator: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        operator,
        O::I32Load { .. }
            | O::I64Load { .. }
            | O::F32Load { .. }
            | O::F64Load { .. }
            | O::I32Load8S { .. }
            | O::I32Load8U { .. }
            | O::I32Load16S { .. }
            | O::I32Load16U { .. }
            | O::I64Load8S { .. }
            | O::I64Load8U { .. }
            | O::I64Load16S { .. }
            | O::I64Load16U { .. }
            | O::I64Load32S { .. }
            | O::I64Load32U { .. }
            | O::I32Store { .. }
            | O::I64Store { .. }
            | O::F32Store { .. }
            | O::F64Store { .. }
            | O::I32Store8 { .. }
            | O::I32Store16 { .. }
            | O::I64Store8 { .. }
            | O::I64Store16 { .. }
            | O::I64Store32 { .. }
            | O::V128Load { .. }
            | O::V128Load8x8S { .. }
            | O::V128Load8x8U { .. }
            | O::V128Load16x4S { .. }
            | O::V128Load16x4U { .. }
            | O::V128Load32x2S { .. }
            | O::V128Load32x2U { .. }
            | O::V128Load8Splat { .. }
            | O::V128Load16Splat { .. }
            | O::V128Load32Splat { .. }
            | O::V128Load64Splat { .. }
            | O::V128Load32Zero { .. }
            | O::V128Load64Zero { .. }
            | O::V128Store { .. }
            | O::V128Load8Lane { .. }
            | O::V128Load16Lane { .. }
            | O::V128Load32Lane { .. }
            | O::V128Load64Lane { .. }
            | O::V128Store8Lane { .. }
            | O::V128Store16Lane { .. }
            | O::V128Store32Lane { .. }
            | O::V128Store64Lane { .. }
    )
}
