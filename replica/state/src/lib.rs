//! (being written)

pub mod page_map;

pub use page_map::{PAGE_BYTES, Page, PageBytes, PageMap};
