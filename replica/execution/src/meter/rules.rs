//! The rules of the interface for modules (interface specification, "WebAssembly module
//! requirements"), beyond plain validity.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use replica_state::{Metadata, ModuleInfo, SystemMethod, WASM_PAGE_BYTES, WasmMethod};
use types::Limits;
use wasmparser::{Import, TypeRef};

use super::error::{ModuleError, TABLE_ELEMENTS_MAX, at_most, memory_bytes_max};
use super::scan::Scan;
use super::{Ic0, MemoryLimits, Width};

/// A custom section of this name asks for its heap to be kept over upgrades.
const HEAP_KEPT_SECTION: &str = "enhanced-orthogonal-persistence";

/// What the rules found out about a module.
pub(super) struct Checked {
    pub info: ModuleInfo,
    pub memory: Option<MemoryLimits>,
    pub entry_points: Vec<String>,
}

pub(super) fn check(scan: &Scan<'_>, limits: &Limits) -> Result<Checked, ModuleError> {
    check_counts(scan, limits)?;
    for import in &scan.imports {
        check_import(import, scan)?;
    }
    check_globals(scan)?;
    scan.check_elements()?;
    let methods = methods(scan, limits)?;
    let metadata = metadata(scan, limits)?;
    let info = ModuleInfo {
        memory_is_64: scan.width() == Width::Bits64,
        methods,
        wants_heap_kept: metadata.contains_key(HEAP_KEPT_SECTION),
        metadata,
    };
    Ok(Checked { info, memory: memory(scan, limits)?, entry_points: entry_points(scan) })
}

fn check_counts(scan: &Scan<'_>, limits: &Limits) -> Result<(), ModuleError> {
    at_most("bytes of code", scan.code_bytes, limits.module_code_bytes_max)?;
    at_most("functions", scan.functions.len() as u64, limits.module_functions_max)?;
    at_most("globals", scan.globals.len() as u64, limits.module_globals_max)?;
    at_most("element segment entries", scan.element_entries(), limits.module_elements_max)?;
    at_most("initial table elements", scan.table_elements(), TABLE_ELEMENTS_MAX)
}

/// Checks the operators of each body, in order of the bodies.
pub(super) fn check_function_sizes(
    scan: &Scan<'_>,
    operators: &[u64],
    limits: &Limits,
) -> Result<(), ModuleError> {
    let limit = limits.module_function_instructions_max;
    let first = scan.functions.len() - scan.bodies.len();
    match (first..).zip(operators).find(|&(_, &count)| count > limit) {
        None => Ok(()),
        Some((index, &count)) => {
            let index = u32::try_from(index).expect("a validated module counts functions by u32");
            Err(ModuleError::FunctionTooLong { index, count, limit })
        }
    }
}

fn check_import(import: &Import<'_>, scan: &Scan<'_>) -> Result<(), ModuleError> {
    let (module, name) = (import.module.to_string(), import.name.to_string());
    let TypeRef::Func(type_index) = import.ty else {
        return Err(ModuleError::ForeignImport { module, name });
    };
    if import.module != "ic0" {
        return Err(ModuleError::ForeignImport { module, name });
    }
    let Some(function) = Ic0::find(import.name, scan.width()) else {
        return Err(ModuleError::UnknownImport { name });
    };
    let expected = |kind: &super::Kind| kind.value_type(scan.width());
    let found = &scan.types[type_index as usize];
    let parameters = function.parameters().iter().map(expected);
    let results = function.result().iter().map(expected).collect::<Vec<_>>();
    if !parameters.eq(found.params().iter().copied()) || results != found.results() {
        return Err(ModuleError::ImportType { name });
    }
    Ok(())
}

fn check_globals(scan: &Scan<'_>) -> Result<(), ModuleError> {
    let reference = (0..)
        .zip(&scan.globals)
        .find(|(_, (ty, _))| ty.mutable && ty.content_type.is_reference_type());
    match reference {
        None => Ok(()),
        Some((index, _)) => Err(ModuleError::ReferenceGlobal { index }),
    }
}

fn memory(scan: &Scan<'_>, limits: &Limits) -> Result<Option<MemoryLimits>, ModuleError> {
    let Some(memory) = scan.memory else {
        return Ok(None);
    };
    let pages_max = memory_bytes_max(limits, scan.width()) / WASM_PAGE_BYTES;
    at_most("pages of initial memory", memory.initial, pages_max)?;
    let maximum = memory.maximum.unwrap_or(pages_max).min(pages_max);
    Ok(Some(MemoryLimits { minimum: memory.initial, maximum }))
}

fn entry_points(scan: &Scan<'_>) -> Vec<String> {
    scan.exported_functions()
        .filter(|export| is_entry_point(scan, export.index))
        .map(|export| export.name.to_string())
        .collect()
}

fn is_entry_point(scan: &Scan<'_>, function: u32) -> bool {
    let ty = scan.function_type(function);
    ty.params().is_empty() && ty.results().is_empty()
}

fn methods(scan: &Scan<'_>, limits: &Limits) -> Result<BTreeSet<WasmMethod>, ModuleError> {
    if let Some(export) = scan.exports.iter().find(|export| export.name.starts_with("plinth ")) {
        return Err(ModuleError::ReservedExport { name: export.name.to_string() });
    }
    let mut methods = BTreeSet::new();
    let mut names = BTreeSet::new();
    for export in scan.exported_functions().filter(|export| export.name.starts_with("canister_")) {
        let (method, name) = method(export.name)
            .ok_or_else(|| ModuleError::ReservedExport { name: export.name.to_string() })?;
        if !is_entry_point(scan, export.index) {
            return Err(ModuleError::EntryPointType { name: export.name.to_string() });
        }
        if let Some(name) = name
            && !names.insert(name)
        {
            return Err(ModuleError::DuplicateMethod { name: name.to_string() });
        }
        methods.insert(method);
    }
    at_most("exported methods", names.len() as u64, limits.module_methods_max)?;
    let bytes = names.iter().map(|name| name.len() as u64).sum();
    at_most("bytes of method names", bytes, limits.module_method_names_bytes_max)?;
    if scan.start.is_some() {
        methods.insert(WasmMethod::System(SystemMethod::Start));
    }
    Ok(methods)
}

/// What an export beginning with `canister_` is, and the method's own name if it has one.
fn method(export: &str) -> Option<(WasmMethod, Option<&str>)> {
    let system = |method| Some((WasmMethod::System(method), None));
    match export {
        "canister_init" => return system(SystemMethod::Init),
        "canister_pre_upgrade" => return system(SystemMethod::PreUpgrade),
        "canister_post_upgrade" => return system(SystemMethod::PostUpgrade),
        "canister_inspect_message" => return system(SystemMethod::InspectMessage),
        "canister_heartbeat" => return system(SystemMethod::Heartbeat),
        "canister_global_timer" => return system(SystemMethod::GlobalTimer),
        "canister_on_low_wasm_memory" => return system(SystemMethod::OnLowWasmMemory),
        _ => {}
    }
    let (kind, name) = export.split_once(' ')?;
    let method = match kind {
        "canister_update" => WasmMethod::Update(name.to_string()),
        "canister_query" => WasmMethod::Query(name.to_string()),
        "canister_composite_query" => WasmMethod::CompositeQuery(name.to_string()),
        _ => return None,
    };
    Some((method, Some(name)))
}

fn metadata(scan: &Scan<'_>, limits: &Limits) -> Result<BTreeMap<String, Metadata>, ModuleError> {
    let mut sections = BTreeMap::new();
    let mut bytes = 0u64;
    for (full_name, content) in scan.customs.iter().filter(|(name, _)| name.starts_with("icp:")) {
        let refuse = || ModuleError::CustomSection { name: full_name.to_string() };
        let (name, public) = match full_name.strip_prefix("icp:public ") {
            Some(name) => (name, true),
            None => (full_name.strip_prefix("icp:private ").ok_or_else(refuse)?, false),
        };
        bytes += (name.len() + content.len()) as u64;
        let section = Metadata { public, content: Bytes::copy_from_slice(content) };
        if sections.insert(name.to_string(), section).is_some() {
            return Err(refuse());
        }
    }
    at_most("`icp:` custom sections", sections.len() as u64, limits.module_custom_sections_max)?;
    at_most("bytes of `icp:` custom sections", bytes, limits.module_custom_sections_bytes_max)?;
    Ok(sections)
}
