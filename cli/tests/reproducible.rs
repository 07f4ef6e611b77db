//! GuestOS is built twice under everything that may differ between machines, and gives the same bytes. The programs in it are
//! compiled once for both; the test of `long` compiles them twice.

mod twice;

#[test]
fn guestos_is_reproducible() {
    twice::check(
        &["guestos", "--image-only"],
        &["guestos.payload", "guestos.disk.zst", "guestos.root.erofs"],
    );
}
