//! Tests that take the better part of an hour: `cargo nextest run --release -p cli --profile long`.

mod twice;

/// All three images with their programs, which are compiled twice as well.
#[test]
fn all_images_are_reproducible() {
    let images = ["guestos", "hostos", "setupos"];
    let names: Vec<String> = images.iter().map(|image| format!("{image}.disk.zst")).collect();
    twice::check(&["all"], &names.iter().map(String::as_str).collect::<Vec<_>>());
}
