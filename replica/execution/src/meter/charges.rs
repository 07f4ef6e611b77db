//! Where a function body is charged, and how much: found in one pass over its operators.
//!
//! Operators are gathered in segments. A segment is all code that runs exactly when its first
//! operator runs, as far as the structure of the code tells: what follows an `if` without jumps
//! out of it belongs to the segment before the `if`. Each segment is charged where it begins, so
//! a trap inside of it has paid for the whole. Loops begin segments of their own.
//!
//! ```text
//!   entry   charge(a + d)     a
//!                             if            then: charge(b) b    else: charge(c) c
//!                             end
//!                             d
//! ```
//!
//! The counter is tested at the head of every loop and at the entry of every function that
//! contains a loop or a call: an endless execution passes one of them again and again. Code
//! without them is bounded by the size of a function.
//!
//! The placement decides where a message runs out of instructions: it is part of consensus, and a
//! conformance test freezes it.

use wasmparser::{BinaryReaderError, FunctionBody, Operator};

use super::{Width, weights::weight};

/// Something to insert before the operator at an offset of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Insertion {
    pub offset: usize,
    /// Labels in scope at that place, the function's own included.
    pub labels: u32,
    pub what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Fetch the counter into its local: a callee may have changed it.
    Reload,
    /// Use up instructions; a test follows if `test` is set.
    Charge { instructions: u64, test: bool },
    /// Use up as many instructions as the operand on top of the stack says, and test.
    ChargeOperand(OperandWidth),
}

/// The type of a length on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OperandWidth {
    I32,
    I64,
}

impl From<Width> for OperandWidth {
    fn from(width: Width) -> Self {
        match width {
            Width::Bits32 => OperandWidth::I32,
            Width::Bits64 => OperandWidth::I64,
        }
    }
}

/// What the analysis of a body must know of its module.
#[derive(Clone, Copy)]
pub(super) struct Widths<'a> {
    pub memory: Width,
    pub tables: &'a [Width],
}

/// What there is to insert in one function body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Charges {
    /// In the order of their offsets.
    pub insertions: Vec<Insertion>,
    /// Operators of the body.
    pub operators: u64,
}

/// Finds the charges of a body that has been validated.
pub(super) fn find(
    body: &FunctionBody<'_>,
    widths: Widths<'_>,
) -> Result<Charges, BinaryReaderError> {
    let mut reader = body.get_operators_reader()?;
    let mut analysis = Analysis::new(reader.original_position(), widths);
    let mut operators = 0;
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        operators += 1;
        analysis.operator(&operator, offset, reader.original_position());
    }
    Ok(Charges { insertions: analysis.finish(), operators })
}

/// Code that is charged at once.
struct Segment {
    offset: usize,
    labels: u32,
    instructions: u64,
    loop_head: bool,
}

/// A block, loop, if or the function itself, while we are in it.
struct Frame {
    /// The segment that the code at this point belongs to; `None` where code cannot be reached.
    segment: Option<usize>,
    /// Whether the frame as a whole cannot be reached.
    dead: bool,
    /// Whether a jump leaves the frame for a place further out than its end.
    escapes: bool,
}

struct Analysis<'a> {
    widths: Widths<'a>,
    segments: Vec<Segment>,
    frames: Vec<Frame>,
    others: Vec<Insertion>,
    has_loop: bool,
    has_call: bool,
}

impl<'a> Analysis<'a> {
    fn new(entry: usize, widths: Widths<'a>) -> Self {
        let function = Frame { segment: Some(0), dead: false, escapes: false };
        Analysis {
            widths,
            segments: vec![Segment { offset: entry, labels: 1, instructions: 0, loop_head: false }],
            frames: vec![function],
            others: Vec::new(),
            has_loop: false,
            has_call: false,
        }
    }

    fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a validated body has no operator after its last end")
    }

    fn labels(&self) -> u32 {
        u32::try_from(self.frames.len()).expect("nesting is bounded by the size of a body")
    }

    /// Begins a segment in the current frame.
    fn begin_segment(&mut self, offset: usize, loop_head: bool) {
        let segment = Segment { offset, labels: self.labels(), instructions: 0, loop_head };
        self.segments.push(segment);
        self.top().segment = Some(self.segments.len() - 1);
    }

    fn insert(&mut self, offset: usize, what: What) {
        let labels = self.labels();
        self.others.push(Insertion { offset, labels, what });
    }

    fn operator(&mut self, operator: &Operator<'_>, start: usize, end: usize) {
        let current = self.top().segment;
        if let Some(segment) = current {
            self.segments[segment].instructions += weight(operator, self.widths.memory);
            self.insert_beside(operator, start, end);
        }
        self.follow(operator, current, end);
    }

    /// Insertions that belong to single operators.
    fn insert_beside(&mut self, operator: &Operator<'_>, start: usize, end: usize) {
        match operator {
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                self.has_call = true;
                self.insert(end, What::Reload);
            }
            _ => {
                if let Some(width) = self.length_operand(operator) {
                    self.insert(start, What::ChargeOperand(width));
                }
            }
        }
    }

    /// The type of the length on top of the stack, for operators whose work depends on it.
    fn length_operand(&self, operator: &Operator<'_>) -> Option<OperandWidth> {
        let table = |index: &u32| self.widths.tables[*index as usize];
        match operator {
            Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } => {
                Some(self.widths.memory.into())
            }
            Operator::MemoryInit { .. } | Operator::TableInit { .. } => Some(OperandWidth::I32),
            Operator::TableFill { table: index } | Operator::TableGrow { table: index } => {
                Some(table(index).into())
            }
            Operator::TableCopy { dst_table, src_table } => {
                Some(table(dst_table).min(table(src_table)).into())
            }
            _ => None,
        }
    }

    /// Follows the flow of control: which segment the next operator belongs to.
    fn follow(&mut self, operator: &Operator<'_>, current: Option<usize>, end: usize) {
        match operator {
            Operator::Block { .. } => self.enter(current),
            Operator::Loop { .. } => {
                self.enter(current);
                if current.is_some() {
                    self.has_loop = true;
                    self.begin_segment(end, true);
                }
            }
            Operator::If { .. } => {
                self.enter(current);
                if current.is_some() {
                    self.begin_segment(end, false);
                }
            }
            Operator::Else if !self.top().dead => self.begin_segment(end, false),
            Operator::End => self.leave(end),
            Operator::BrIf { relative_depth } if current.is_some() => {
                self.jump(*relative_depth);
                self.begin_segment(end, false);
            }
            Operator::Br { relative_depth } if current.is_some() => {
                self.jump(*relative_depth);
                self.top().segment = None;
            }
            Operator::BrTable { targets } if current.is_some() => {
                let depths = targets.targets().map(|depth| depth.expect("a validated table reads"));
                let outermost = depths.chain([targets.default()]).max().unwrap_or(0);
                self.jump(outermost);
                self.top().segment = None;
            }
            Operator::Return if current.is_some() => {
                let to_function = self.labels() - 1;
                self.jump(to_function);
                self.top().segment = None;
            }
            Operator::Unreachable => self.top().segment = None,
            _ => {}
        }
    }

    fn enter(&mut self, segment: Option<usize>) {
        self.frames.push(Frame { segment, dead: segment.is_none(), escapes: false });
    }

    fn leave(&mut self, end: usize) {
        let frame = self.frames.pop().expect("a validated body closes no more than it opens");
        if frame.escapes && !frame.dead && !self.frames.is_empty() {
            self.begin_segment(end, false);
        }
    }

    /// A jump to the label at this depth: the frames inside of it may end without reaching what
    /// follows them. A jump to a loop's head does not leave the loop, but a jump from within
    /// skips the rest of the frames between.
    fn jump(&mut self, depth: u32) {
        let target = self.frames.len() - 1 - depth as usize;
        for frame in &mut self.frames[target + 1..] {
            frame.escapes = true;
        }
    }

    fn finish(self) -> Vec<Insertion> {
        let test_entry = self.has_loop || self.has_call;
        let mut insertions = self.others;
        for (index, segment) in self.segments.iter().enumerate() {
            let test = segment.loop_head || (index == 0 && test_entry);
            if segment.instructions > 0 || test {
                let what = What::Charge { instructions: segment.instructions, test };
                let Segment { offset, labels, .. } = *segment;
                insertions.push(Insertion { offset, labels, what });
            }
        }
        // At one offset: first fetch the counter, then charge the segment, then the operand.
        insertions.sort_by_key(|insertion| {
            let order = match insertion.what {
                What::Reload => 0,
                What::Charge { .. } => 1,
                What::ChargeOperand(_) => 2,
            };
            (insertion.offset, order)
        });
        insertions
    }
}
