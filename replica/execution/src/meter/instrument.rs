//! Rewrites a module so that it counts its instructions.
//!
//! The counter is a mutable global that the host sets before each execution; it counts down. What
//! happens to the bodies is told in `body`, where they are charged in `charges`. Around them:
//! the global and exports for the host are appended, active data segments and the start section
//! are taken away, and no index of the module changes.

use wasm_encoder::{
    BlockType, ConstExpr, Encode, ExportKind, ExportSection, GlobalSection, GlobalType, RawSection,
    SectionId, TypeSection, ValType, reencode::Reencode, reencode::RoundtripReencoder,
};
use wasmparser::{DataKind, FuncType};

use super::body::{self, Shape};
use super::charges::{self, Widths};
use super::{ModuleError, scan::Scan};

/// The names under which the instrumented module exports what the host needs. Modules cannot
/// export such names themselves.
pub mod names {
    /// The counter: a mutable `i64`.
    pub const COUNTER: &str = "plinth counter";
    /// The memory.
    pub const MEMORY: &str = "plinth memory";
    /// Table 0.
    pub const TABLE: &str = "plinth table";
    /// The start function.
    pub const START: &str = "plinth start";

    /// A mutable global of the module, by its index.
    pub fn global(index: u32) -> String {
        format!("plinth global {index}")
    }
}

/// The rewritten module, and the operators of each of its original bodies.
pub(super) struct Instrumented {
    pub wasm: Vec<u8>,
    pub operators: Vec<u64>,
}

pub(super) fn instrument(bytes: &[u8], scan: &Scan<'_>) -> Result<Instrumented, ModuleError> {
    let mut rewriter = Rewriter::new(bytes, scan);
    let code = rewriter.code()?;
    let mut module = wasm_encoder::Module::new();
    let mut pending =
        Pending { globals: Some(rewriter.globals()), exports: Some(rewriter.exports()?) };
    let types = rewriter.types()?;
    for (id, range) in &scan.sections {
        let original = &bytes[range.clone()];
        pending.flush_before(*id, &mut module);
        match *id {
            TYPE => section(&mut module, TYPE, &prolonged(original, &types)),
            GLOBAL => {
                let added = pending.globals.take().expect("a module has one global section");
                section(&mut module, GLOBAL, &prolonged(original, &added));
            }
            EXPORT => {
                let added = pending.exports.take().expect("a module has one export section");
                section(&mut module, EXPORT, &prolonged(original, &added));
            }
            START => {}
            CODE => section(&mut module, CODE, &code.section),
            DATA => section(&mut module, DATA, &rewriter.data()),
            other => section(&mut module, other, original),
        }
    }
    pending.flush_before(CODE, &mut module);
    Ok(Instrumented { wasm: module.finish(), operators: code.operators })
}

const TYPE: u8 = SectionId::Type as u8;
const GLOBAL: u8 = SectionId::Global as u8;
const EXPORT: u8 = SectionId::Export as u8;
const START: u8 = SectionId::Start as u8;
const ELEMENT: u8 = SectionId::Element as u8;
const CODE: u8 = SectionId::Code as u8;
const DATA: u8 = SectionId::Data as u8;
const DATA_COUNT: u8 = SectionId::DataCount as u8;

fn section(module: &mut wasm_encoder::Module, id: u8, data: &[u8]) {
    module.section(&RawSection { id, data });
}

/// Entries to append to a section: their number and encoding.
struct Entries {
    count: u32,
    bytes: Vec<u8>,
}

impl Entries {
    fn new() -> Self {
        Entries { count: 0, bytes: Vec::new() }
    }

    fn section(&self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.bytes.len() + 5);
        self.count.encode(&mut content);
        content.extend(&self.bytes);
        content
    }
}

/// Our entries for sections that the module may lack.
struct Pending {
    globals: Option<Entries>,
    exports: Option<Entries>,
}

impl Pending {
    /// Writes the sections that belong before the next one of the module, if it has none itself.
    fn flush_before(&mut self, next: u8, module: &mut wasm_encoder::Module) {
        let after_globals = matches!(next, EXPORT | START | ELEMENT | DATA_COUNT | CODE | DATA);
        let after_exports = matches!(next, START | ELEMENT | DATA_COUNT | CODE | DATA);
        if after_globals && let Some(entries) = self.globals.take() {
            section(module, GLOBAL, &entries.section());
        }
        if after_exports && let Some(entries) = self.exports.take() {
            section(module, EXPORT, &entries.section());
        }
    }
}

/// The content of a section with entries appended.
fn prolonged(original: &[u8], added: &Entries) -> Vec<u8> {
    let (count, entries) = split_count(original);
    let mut content = Vec::with_capacity(original.len() + added.bytes.len() + 5);
    (count + added.count).encode(&mut content);
    content.extend(entries);
    content.extend(&added.bytes);
    content
}

/// The number at the start of a section, and what follows it.
fn split_count(content: &[u8]) -> (u32, &[u8]) {
    let mut count = 0u32;
    for (position, byte) in content.iter().enumerate().take(5) {
        count |= u32::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return (count, &content[position + 1..]);
        }
    }
    unreachable!("a validated section begins with a number")
}

struct Code {
    section: Vec<u8>,
    operators: Vec<u64>,
}

struct Rewriter<'s, 'a> {
    bytes: &'s [u8],
    scan: &'s Scan<'a>,
    counter: u32,
    table_widths: Vec<super::Width>,
    /// Types `() -> results` for bodies with several results, behind those of the module.
    block_types: Vec<FuncType>,
}

impl<'s, 'a> Rewriter<'s, 'a> {
    fn new(bytes: &'s [u8], scan: &'s Scan<'a>) -> Self {
        let counter = u32::try_from(scan.globals.len()).expect("globals are counted by u32");
        let table_widths = scan.table_widths();
        Rewriter { bytes, scan, counter, table_widths, block_types: Vec::new() }
    }

    fn globals(&self) -> Entries {
        let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
        let mut section = GlobalSection::new();
        section.global(ty, &ConstExpr::i64_const(0));
        entries_of(&section)
    }

    fn exports(&self) -> Result<Entries, ModuleError> {
        let mut section = ExportSection::new();
        section.export(names::COUNTER, ExportKind::Global, self.counter);
        if self.scan.memory.is_some() {
            section.export(names::MEMORY, ExportKind::Memory, 0);
        }
        if self.scan.has_function_table() {
            section.export(names::TABLE, ExportKind::Table, 0);
        }
        if let Some(start) = self.scan.start {
            section.export(names::START, ExportKind::Func, start);
        }
        for index in self.scan.mutable_globals() {
            section.export(&names::global(index), ExportKind::Global, index);
        }
        Ok(entries_of(&section))
    }

    fn types(&self) -> Result<Entries, ModuleError> {
        let mut section = TypeSection::new();
        for ty in &self.block_types {
            let results = ty.results().iter().map(|&ty| value_type(ty));
            section.ty().function([], results.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(entries_of(&section))
    }

    /// The data section: active segments become empty passive ones, so that the others keep their
    /// index. An active segment is empty after instantiation, too.
    fn data(&self) -> Vec<u8> {
        let mut section = wasm_encoder::DataSection::new();
        for segment in &self.scan.data {
            match segment.kind {
                DataKind::Active { .. } => section.passive([]),
                DataKind::Passive => section.passive(segment.data.iter().copied()),
            };
        }
        entries_of(&section).section()
    }

    fn code(&mut self) -> Result<Code, ModuleError> {
        let mut bodies = Entries::new();
        let mut operators = Vec::with_capacity(self.scan.bodies.len());
        let first = self.scan.functions.len() - self.scan.bodies.len();
        let table_widths = std::mem::take(&mut self.table_widths);
        let widths = Widths { memory: self.scan.width(), tables: &table_widths };
        for (index, body) in self.scan.bodies.iter().enumerate() {
            let type_index = self.scan.functions[first + index];
            let ty = &self.scan.types[type_index as usize];
            let charges = charges::find(body, widths)?;
            let shape = Shape {
                parameters: ty.params().len(),
                results: self.block_type(ty)?,
                counter: self.counter,
            };
            body::rewrite(self.bytes, body, &charges.insertions, &shape)?.encode(&mut bodies.bytes);
            bodies.count += 1;
            operators.push(charges.operators);
        }
        Ok(Code { section: bodies.section(), operators })
    }

    fn block_type(&mut self, ty: &FuncType) -> Result<BlockType, ModuleError> {
        Ok(match ty.results() {
            [] => BlockType::Empty,
            [result] => BlockType::Result(value_type(*result)?),
            results => {
                let found = self.block_types.iter().position(|known| known.results() == results);
                let position = found.unwrap_or_else(|| {
                    self.block_types.push(FuncType::new([], results.iter().copied()));
                    self.block_types.len() - 1
                });
                let index = self.scan.types.len() + position;
                BlockType::FunctionType(u32::try_from(index).expect("types are counted by u32"))
            }
        })
    }
}

fn value_type(ty: wasmparser::ValType) -> Result<ValType, ModuleError> {
    RoundtripReencoder.val_type(ty).map_err(|error| ModuleError::Invalid(error.to_string()))
}

/// The entries of a section built by the encoder.
fn entries_of(section: &impl Encode) -> Entries {
    // A section encodes as its length and its content.
    let mut bytes = Vec::new();
    section.encode(&mut bytes);
    let (_, content) = split_count(&bytes);
    let (count, entries) = split_count(content);
    Entries { count, bytes: entries.to_vec() }
}
