//! GuestOS is built twice under everything that may differ between machines, and gives the same bytes. The programs in it are
//! those that `cargo xtask test` names, else they are compiled out of the lock, once for both; the test of `long`
//! compiles them twice.

mod twice;

#[test]
fn guestos_is_reproducible() {
    let named = ["PLINTH_IMAGES_SOURCE", "PLINTH_IMAGES_PROGRAMS"].map(std::env::var);
    let mut arguments = vec!["guestos", "--image-only"];
    if let [Ok(source), Ok(programs)] = &named {
        arguments.extend(["--source", source, "--binaries", programs]);
    }
    twice::check(&arguments, &["guestos.payload", "guestos.disk.zst", "guestos.root.erofs"]);
}
