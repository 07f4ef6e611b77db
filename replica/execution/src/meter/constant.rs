//! The values of constant expressions: initial globals and the offsets of data segments.

use replica_state::GlobalValue;
use wasmparser::{ConstExpr, Operator};

use super::ModuleError;

/// The value of a validated constant expression of a numeric type. Such an expression can name
/// imported globals only, and there are none.
pub(super) fn evaluate(expression: &ConstExpr<'_>) -> Result<GlobalValue, ModuleError> {
    let mut stack = Vec::new();
    for operator in expression.get_operators_reader() {
        step(&operator?, &mut stack).ok_or(ModuleError::ConstantExpression)?;
    }
    stack.pop().ok_or(ModuleError::ConstantExpression)
}

/// Whether a validated constant expression is nothing but a number.
pub(super) fn is_plain(expression: &ConstExpr<'_>) -> bool {
    let mut operators = expression.get_operators_reader().into_iter();
    let number = operators.next();
    matches!(number, Some(Ok(Operator::I32Const { .. } | Operator::I64Const { .. })))
        && matches!(operators.next(), Some(Ok(Operator::End)))
}

fn step(operator: &Operator<'_>, stack: &mut Vec<GlobalValue>) -> Option<()> {
    let value = match operator {
        Operator::End => return Some(()),
        Operator::I32Const { value } => GlobalValue::I32(*value),
        Operator::I64Const { value } => GlobalValue::I64(*value),
        Operator::F32Const { value } => GlobalValue::F32(value.bits()),
        Operator::F64Const { value } => GlobalValue::F64(value.bits()),
        Operator::V128Const { value } => GlobalValue::V128(u128::from_le_bytes(*value.bytes())),
        Operator::I32Add => binary_32(stack, i32::wrapping_add)?,
        Operator::I32Sub => binary_32(stack, i32::wrapping_sub)?,
        Operator::I32Mul => binary_32(stack, i32::wrapping_mul)?,
        Operator::I64Add => binary_64(stack, i64::wrapping_add)?,
        Operator::I64Sub => binary_64(stack, i64::wrapping_sub)?,
        Operator::I64Mul => binary_64(stack, i64::wrapping_mul)?,
        _ => return None,
    };
    stack.push(value);
    Some(())
}

fn binary_32(stack: &mut Vec<GlobalValue>, apply: fn(i32, i32) -> i32) -> Option<GlobalValue> {
    match (stack.pop()?, stack.pop()?) {
        (GlobalValue::I32(right), GlobalValue::I32(left)) => {
            Some(GlobalValue::I32(apply(left, right)))
        }
        _ => None,
    }
}

fn binary_64(stack: &mut Vec<GlobalValue>, apply: fn(i64, i64) -> i64) -> Option<GlobalValue> {
    match (stack.pop()?, stack.pop()?) {
        (GlobalValue::I64(right), GlobalValue::I64(left)) => {
            Some(GlobalValue::I64(apply(left, right)))
        }
        _ => None,
    }
}
