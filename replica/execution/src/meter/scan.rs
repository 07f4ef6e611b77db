//! Reads a module once: validates it as WebAssembly and gathers what the rules and the
//! instrumentation look at.

use std::ops::Range;

use replica_state::{GlobalValue, Memory, PageMap, WASM_PAGE_BYTES};
use wasmparser::{
    CompositeInnerType, ConstExpr, DataKind, Element, ElementItems, ElementKind, Export,
    ExternalKind, FuncType, FunctionBody, GlobalType, MemoryType, Parser, Payload, TableType,
    TypeRef, Validator, WasmFeatures,
};

use super::{ModuleError, Width, constant};

/// The features that modules may use: what compilers for the Internet Computer emit, and nothing
/// whose result could differ between machines (threads, relaxed SIMD).
pub const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::EXTENDED_CONST);

/// What a module consists of. All references are into its bytes.
#[derive(Default)]
pub(super) struct Scan<'a> {
    /// All sections but the custom ones, in order: id and content.
    pub sections: Vec<(u8, Range<usize>)>,
    pub types: Vec<FuncType>,
    pub imports: Vec<wasmparser::Import<'a>>,
    /// The type index of each function, imported ones first.
    pub functions: Vec<u32>,
    pub memory: Option<MemoryType>,
    pub tables: Vec<TableType>,
    /// Type and initial value of each global; references have none.
    pub globals: Vec<(GlobalType, Option<GlobalValue>)>,
    pub exports: Vec<Export<'a>>,
    pub start: Option<u32>,
    pub elements: Vec<Element<'a>>,
    pub code_bytes: u64,
    pub bodies: Vec<FunctionBody<'a>>,
    pub data: Vec<wasmparser::Data<'a>>,
    pub customs: Vec<(&'a str, &'a [u8])>,
}

/// Validates the bytes and reads them.
pub(super) fn scan(bytes: &[u8]) -> Result<Scan<'_>, ModuleError> {
    Validator::new_with_features(FEATURES).validate_all(bytes)?;
    let mut scan = Scan::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let Some((id, range)) = payload.as_section()
            && !matches!(payload, Payload::CustomSection(_))
        {
            scan.sections.push((id, range));
        }
        scan.take(payload)?;
    }
    Ok(scan)
}

impl<'a> Scan<'a> {
    fn take(&mut self, payload: Payload<'a>) -> Result<(), ModuleError> {
        match payload {
            Payload::TypeSection(reader) => self.take_types(reader)?,
            Payload::ImportSection(reader) => {
                for import in reader.into_imports() {
                    self.take_import(import?);
                }
            }
            Payload::FunctionSection(reader) => {
                for type_index in reader {
                    self.functions.push(type_index?);
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.tables.push(table?.ty);
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    self.memory = Some(memory?);
                }
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    self.take_global(&global?)?;
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    self.exports.push(export?);
                }
            }
            Payload::ElementSection(reader) => {
                for element in reader {
                    self.elements.push(element?);
                }
            }
            Payload::StartSection { func, .. } => self.start = Some(func),
            Payload::CodeSectionStart { range, .. } => self.code_bytes = range.len() as u64,
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::DataSection(reader) => {
                for data in reader {
                    self.data.push(data?);
                }
            }
            Payload::CustomSection(reader) => self.customs.push((reader.name(), reader.data())),
            _ => {}
        }
        Ok(())
    }

    fn take_types(&mut self, reader: wasmparser::TypeSectionReader<'a>) -> Result<(), ModuleError> {
        for group in reader {
            for sub_type in group?.into_types() {
                match sub_type.composite_type.inner {
                    CompositeInnerType::Func(function) => self.types.push(function),
                    _ => return Err(ModuleError::Invalid("only function types exist".into())),
                }
            }
        }
        Ok(())
    }

    fn take_import(&mut self, import: wasmparser::Import<'a>) {
        if let TypeRef::Func(type_index) = import.ty {
            self.functions.push(type_index);
        }
        self.imports.push(import);
    }

    fn take_global(&mut self, global: &wasmparser::Global<'a>) -> Result<(), ModuleError> {
        let value = if global.ty.content_type.is_reference_type() {
            None
        } else {
            Some(constant::evaluate(&global.init_expr)?)
        };
        self.globals.push((global.ty, value));
        Ok(())
    }

    pub fn width(&self) -> Width {
        match self.memory {
            Some(memory) if memory.memory64 => Width::Bits64,
            _ => Width::Bits32,
        }
    }

    /// The type of a function by its index.
    pub fn function_type(&self, function: u32) -> &FuncType {
        &self.types[self.functions[function as usize] as usize]
    }

    pub fn table_widths(&self) -> Vec<Width> {
        let width = |table: &TableType| if table.table64 { Width::Bits64 } else { Width::Bits32 };
        self.tables.iter().map(width).collect()
    }

    pub fn has_function_table(&self) -> bool {
        self.tables.first().is_some_and(|table| table.element_type.is_func_ref())
    }

    pub fn mutable_globals(&self) -> Vec<u32> {
        let mutable = (0..).zip(&self.globals).filter(|(_, (ty, _))| ty.mutable);
        mutable.map(|(index, _)| index).collect()
    }

    pub fn initial_mutable_globals(&self) -> Result<Vec<GlobalValue>, ModuleError> {
        let value = |index: u32| {
            self.globals[index as usize].1.ok_or(ModuleError::ReferenceGlobal { index })
        };
        self.mutable_globals().into_iter().map(value).collect()
    }

    pub fn exported_functions(&self) -> impl Iterator<Item = &Export<'a>> {
        self.exports.iter().filter(|export| export.kind == ExternalKind::Func)
    }

    /// The memory with the active data segments in place.
    pub fn initial_heap(&self) -> Result<Memory, ModuleError> {
        let size = self.memory.map_or(0, |memory| memory.initial);
        let mut pages = PageMap::new();
        for (index, segment) in self.data.iter().enumerate() {
            if let DataKind::Active { offset_expr, .. } = &segment.kind {
                let offset = offset(offset_expr)?;
                let end = offset.checked_add(segment.data.len() as u64);
                if end.is_none_or(|end| end > size.saturating_mul(WASM_PAGE_BYTES)) {
                    return Err(ModuleError::DataOutOfBounds { index });
                }
                pages.write(offset, segment.data);
            }
        }
        Ok(Memory { pages, size })
    }

    /// Entries of all element segments.
    pub fn element_entries(&self) -> u64 {
        self.elements.iter().map(entries).sum()
    }

    /// Elements of all tables at their initial size.
    pub fn table_elements(&self) -> u64 {
        self.tables.iter().fold(0, |sum, table| sum.saturating_add(table.initial))
    }

    /// Entries of element segments that are worked on whenever an instance is made. The machine
    /// prepares tables of functions when it compiles, if each active segment lies at a plain
    /// number; if one does not, those behind it may be applied one entry at a time. Passive segments
    /// are made anew for each instance.
    pub fn applied_entries(&self) -> u64 {
        let active = |segment: &Element<'_>| matches!(segment.kind, ElementKind::Active { .. });
        let prepared = self.elements.iter().filter(|s| active(s)).all(|s| self.is_prepared(s));
        let applied = |segment: &&Element<'_>| match segment.kind {
            ElementKind::Active { .. } => !prepared,
            ElementKind::Passive => true,
            ElementKind::Declared => false,
        };
        self.elements.iter().filter(applied).map(entries).sum()
    }

    fn is_prepared(&self, segment: &Element<'_>) -> bool {
        let ElementKind::Active { table_index, offset_expr } = &segment.kind else { return false };
        let table = &self.tables[table_index.unwrap_or(0) as usize];
        matches!(segment.items, ElementItems::Functions(_))
            && table.element_type.is_func_ref()
            && constant::is_plain(offset_expr)
    }

    /// Whether the active element segments fit into their tables. Instances are made from them for
    /// each message, so this must be known before.
    pub fn check_elements(&self) -> Result<(), ModuleError> {
        for (index, segment) in self.elements.iter().enumerate() {
            let ElementKind::Active { table_index, offset_expr } = &segment.kind else { continue };
            let table = &self.tables[table_index.unwrap_or(0) as usize];
            let end = offset(offset_expr)?.checked_add(entries(segment));
            if end.is_none_or(|end| end > table.initial) {
                return Err(ModuleError::ElementsOutOfBounds { index });
            }
        }
        Ok(())
    }
}

fn entries(segment: &Element<'_>) -> u64 {
    u64::from(match &segment.items {
        ElementItems::Functions(items) => items.count(),
        ElementItems::Expressions(_, items) => items.count(),
    })
}

/// The value of an offset, which is unsigned.
fn offset(expression: &ConstExpr<'_>) -> Result<u64, ModuleError> {
    match constant::evaluate(expression)? {
        GlobalValue::I32(offset) => Ok(u64::from(offset.cast_unsigned())),
        GlobalValue::I64(offset) => Ok(offset.cast_unsigned()),
        _ => Err(ModuleError::ConstantExpression),
    }
}
