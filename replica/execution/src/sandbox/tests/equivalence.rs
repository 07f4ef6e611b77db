//! Random programs: metered code computes what the machine computes without metering, and is
//! charged what a plain interpreter counts, operator by operator.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::sandbox::baseline::Baseline;

/// Functions of a program; one may call those with a higher number.
const FUNCTIONS: usize = 3;
/// Locals that programs compute with.
const LOCALS: u32 = 3;
/// Deepest nesting of loops; each has a local for the turns left.
const LOOPS: usize = 3;

#[derive(Clone, Debug)]
enum Value {
    Constant(i32),
    Local(u32),
    Add(Box<Value>, Box<Value>),
    Divide(Box<Value>, i32),
    Load(u32),
}

#[derive(Clone, Debug)]
enum Statement {
    Set(u32, Value),
    Store(u32, Value),
    Block(Vec<Statement>),
    Loop(u8, Vec<Statement>),
    If(Value, Vec<Statement>, Vec<Statement>),
    Branch(usize),
    BranchIf(usize, Value),
    Table(usize, usize, Value),
    Call(usize),
    Return,
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Constant),
        (0..3i32).prop_map(Value::Constant),
        (0..LOCALS).prop_map(Value::Local),
        (0..8u32).prop_map(Value::Load),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Value::Add(a.into(), b.into())),
            (inner, 1..9i32).prop_map(|(a, b)| Value::Divide(a.into(), b)),
        ]
    })
}

fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let leaf = prop_oneof![
        4 => (0..LOCALS, value()).prop_map(|(local, value)| Statement::Set(local, value)),
        3 => (0..8u32, value()).prop_map(|(slot, value)| Statement::Store(slot, value)),
        1 => (0..4usize).prop_map(Statement::Branch),
        3 => (0..4usize, value()).prop_map(|(depth, value)| Statement::BranchIf(depth, value)),
        1 => (0..4usize, 0..4usize, value()).prop_map(|(a, b, value)| Statement::Table(a, b, value)),
        2 => (0..FUNCTIONS).prop_map(Statement::Call),
        1 => Just(Statement::Return),
    ];
    let statement = leaf.prop_recursive(4, 24, 4, |inner| {
        let body = || proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            body().prop_map(Statement::Block),
            (0..4u8, body()).prop_map(|(turns, body)| Statement::Loop(turns, body)),
            (value(), body(), body()).prop_map(|(c, a, b)| Statement::If(c, a, b)),
        ]
    });
    proptest::collection::vec(statement, 0..8)
}

/// Writes programs as text. `labels` counts those in scope, the function's own included.
struct Writer {
    function: usize,
    labels: usize,
    loops: usize,
    text: String,
}

fn write_value(value: &Value) -> String {
    match value {
        Value::Constant(constant) => format!("(i32.const {constant})"),
        Value::Local(local) => format!("(local.get {local})"),
        Value::Add(a, b) => format!("(i32.add {} {})", write_value(a), write_value(b)),
        Value::Divide(a, b) => format!("(i32.div_u {} (i32.const {b}))", write_value(a)),
        Value::Load(slot) => format!("(i32.load (i32.const {}))", slot * 4),
    }
}

impl Writer {
    fn body(&mut self, body: &[Statement], labels: usize) {
        self.labels += labels;
        body.iter().for_each(|statement| self.statement(statement));
        self.labels -= labels;
    }

    fn push(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
        self.text.push('\n');
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Set(local, value) => {
                self.push(format!("(local.set {local} {})", write_value(value)))
            }
            Statement::Store(slot, value) => {
                self.push(format!("(i32.store (i32.const {}) {})", slot * 4, write_value(value)));
            }
            Statement::Block(body) => {
                self.push("(block");
                self.body(body, 1);
                self.push(")");
            }
            Statement::Loop(..) if self.loops == LOOPS => {}
            Statement::Loop(turns, body) => {
                let counter = LOCALS as usize + self.loops;
                self.push(format!("(local.set {counter} (i32.const {turns})) (block (loop"));
                self.push(format!("(br_if 1 (i32.eqz (local.get {counter})))"));
                self.push(format!(
                    "(local.set {counter} (i32.sub (local.get {counter}) (i32.const 1)))"
                ));
                self.loops += 1;
                self.body(body, 2);
                self.loops -= 1;
                self.push("(br 0)))");
            }
            Statement::If(condition, then, otherwise) => {
                self.push(format!("(if {} (then", write_value(condition)));
                self.body(then, 1);
                self.push(") (else");
                self.body(otherwise, 1);
                self.push("))");
            }
            Statement::Branch(depth) => self.push(format!("(br {})", depth % self.labels)),
            Statement::BranchIf(depth, value) => {
                self.push(format!("(br_if {} {})", depth % self.labels, write_value(value)));
            }
            Statement::Table(a, b, value) => {
                let (a, b) = (a % self.labels, b % self.labels);
                self.push(format!("(br_table {a} {b} {})", write_value(value)));
            }
            Statement::Call(function) if *function > self.function => {
                self.push(format!("(call {function})"))
            }
            Statement::Call(_) => {}
            Statement::Return => self.push("(return)"),
        }
    }
}

fn write(program: &[Vec<Statement>]) -> String {
    let mut text = String::from("(module (memory (export \"memory\") 1)\n");
    for (function, body) in program.iter().enumerate() {
        let export = if function == 0 { "(export \"canister_update run\")" } else { "" };
        text += &format!("(func {export} (local i32 i32 i32 i32 i32 i32)\n");
        let mut writer = Writer { function, labels: 1, loops: 0, text: String::new() };
        writer.body(body, 0);
        text += &writer.text;
        text += ")\n";
    }
    text + ")"
}

/// How a statement ended: by going on, or by leaving so many labels.
enum Flow {
    Next,
    Leave(usize),
}

/// Interprets programs and counts what the table of weights says.
struct Interpreter<'a> {
    program: &'a [Vec<Statement>],
    memory: BTreeMap<u32, i32>,
    instructions: u64,
}

struct Call {
    function: usize,
    locals: [i32; LOCALS as usize],
    labels: usize,
    loops: usize,
}

impl Interpreter<'_> {
    fn call(&mut self, function: usize) {
        let mut call = Call { function, locals: [0; LOCALS as usize], labels: 1, loops: 0 };
        let program = self.program;
        self.body(&program[function], &mut call, 0);
    }

    fn body(&mut self, body: &[Statement], call: &mut Call, labels: usize) -> Flow {
        call.labels += labels;
        let mut flow = Flow::Next;
        for statement in body {
            flow = self.statement(statement, call);
            if matches!(flow, Flow::Leave(_)) {
                break;
            }
        }
        call.labels -= labels;
        flow
    }

    /// What a body does to the code around a single label: leaving it is going on after it.
    fn labelled(&mut self, body: &[Statement], call: &mut Call) -> Flow {
        match self.body(body, call, 1) {
            Flow::Next | Flow::Leave(0) => Flow::Next,
            Flow::Leave(depth) => Flow::Leave(depth - 1),
        }
    }

    fn statement(&mut self, statement: &Statement, call: &mut Call) -> Flow {
        match statement {
            Statement::Set(local, value) => {
                call.locals[*local as usize] = self.value(value, call);
                self.instructions += 1;
            }
            Statement::Store(slot, value) => {
                let value = self.value(value, call);
                self.memory.insert(*slot, value);
                self.instructions += 2;
            }
            Statement::Block(body) => return self.labelled(body, call),
            Statement::Loop(..) if call.loops == LOOPS => {}
            Statement::Loop(turns, body) => return self.turns(*turns, body, call),
            Statement::If(condition, then, otherwise) => {
                let condition = self.value(condition, call);
                self.instructions += 2;
                return self.labelled(if condition != 0 { then } else { otherwise }, call);
            }
            Statement::Branch(depth) => {
                self.instructions += 2;
                return Flow::Leave(depth % call.labels);
            }
            Statement::BranchIf(depth, value) => {
                let taken = self.value(value, call) != 0;
                self.instructions += 2;
                if taken {
                    return Flow::Leave(depth % call.labels);
                }
            }
            Statement::Table(a, b, value) => {
                let first = self.value(value, call) == 0;
                self.instructions += 2;
                return Flow::Leave(if first { a } else { b } % call.labels);
            }
            Statement::Call(function) if *function > call.function => {
                self.instructions += 5;
                self.call(*function);
            }
            Statement::Call(_) => {}
            Statement::Return => {
                self.instructions += 1;
                return Flow::Leave(call.labels - 1);
            }
        }
        Flow::Next
    }

    fn turns(&mut self, turns: u8, body: &[Statement], call: &mut Call) -> Flow {
        // Constant and set, then at each head: get, eqz, br_if; with turns left: get, constant,
        // sub, set, the body, and br.
        self.instructions += 2;
        for _ in 0..turns {
            self.instructions += 4 + 4;
            call.loops += 1;
            let flow = self.body(body, call, 2);
            call.loops -= 1;
            match flow {
                Flow::Next => self.instructions += 2,
                Flow::Leave(0) => {}
                Flow::Leave(1) => return Flow::Next,
                Flow::Leave(depth) => return Flow::Leave(depth - 2),
            }
        }
        self.instructions += 4;
        Flow::Next
    }

    fn value(&mut self, value: &Value, call: &Call) -> i32 {
        match value {
            Value::Constant(constant) => {
                self.instructions += 1;
                *constant
            }
            Value::Local(local) => {
                self.instructions += 1;
                call.locals[*local as usize]
            }
            Value::Add(a, b) => {
                self.instructions += 1;
                self.value(a, call).wrapping_add(self.value(b, call))
            }
            Value::Divide(a, b) => {
                self.instructions += 11;
                (self.value(a, call).cast_unsigned() / b.cast_unsigned()).cast_signed()
            }
            Value::Load(slot) => {
                self.instructions += 2;
                self.memory.get(slot).copied().unwrap_or(0)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn metering_changes_nothing_and_counts_everything(
        program in proptest::collection::vec(statements(), FUNCTIONS)
    ) {
        let text = write(&program);
        let mut interpreter = Interpreter { program: &program, memory: BTreeMap::new(), instructions: 0 };
        interpreter.call(0);

        let mut raw = Baseline::new(&wat::parse_str(&text).unwrap()).unwrap();
        raw.call("canister_update run").unwrap();
        let mut canister = Canister::new(&text);
        canister.update("canister_update run").unwrap();

        let mut bytes = [0; 32];
        canister.heap.pages.read(0, &mut bytes);
        prop_assert_eq!(&bytes[..], &raw.memory("memory")[..32]);
        for (slot, value) in &interpreter.memory {
            let at = *slot as usize * 4;
            prop_assert_eq!(i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()), *value);
        }
        prop_assert_eq!(canister.used, interpreter.instructions, "{}", text);

        // With exactly so many instructions it ends well, with one less it does not.
        let start = (canister.module.initial_heap().clone(), canister.used);
        canister.heap = start.0.clone();
        canister.limit = start.1;
        prop_assert!(canister.update("canister_update run").is_ok());
        if let Some(less) = start.1.checked_sub(1) {
            canister.heap = start.0;
            canister.limit = less;
            prop_assert_eq!(canister.update("canister_update run"), Err(Trap::OutOfInstructions));
        }
    }
}

/// The kernels of the benchmark end with the same memory, metered or not.
#[test]
fn kernels_compute_the_same() {
    for text in [
        include_str!("../../../kernels/sha256.wat"),
        include_str!("../../../kernels/sort.wat"),
        include_str!("../../../kernels/map.wat"),
        include_str!("../../../kernels/matrix.wat"),
        include_str!("../../../kernels/sieve.wat"),
        include_str!("../../../kernels/fib.wat"),
    ] {
        let exported = text.replacen("(memory ", "(memory (export \"memory\") ", 1);
        let mut raw = Baseline::new(&wat::parse_str(&exported).unwrap()).unwrap();
        let mut canister = Canister::new(text);
        for _ in 0..2 {
            raw.call("canister_update run").unwrap();
            canister.update("canister_update run").unwrap();
            let expected = raw.memory("memory");
            let mut bytes = vec![0; expected.len()];
            canister.heap.pages.read(0, &mut bytes);
            assert!(bytes == expected);
        }
    }
}
