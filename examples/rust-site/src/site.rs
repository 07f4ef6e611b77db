//! The files, and the certification of all that may be answered.

use crate::protocol::{Request, Response};
use ic_asset_certification::{Asset, AssetConfig, AssetFallbackConfig, AssetRouter};
use ic_http_certification::StatusCode;
use std::cell::RefCell;

/// Bytes of the large file: three ranges.
const LARGE_BYTES: u32 = 5_000_000;

thread_local! {
    static ROUTER: RefCell<AssetRouter<'static>> = RefCell::default();
}

/// Certifies the files.
pub fn certify() {
    let assets = vec![
        Asset::new("index.html", include_bytes!("../assets/index.html").as_slice()),
        Asset::new("style.css", include_bytes!("../assets/style.css").as_slice()),
        Asset::new("script.js", include_bytes!("../assets/script.js").as_slice()),
        Asset::new("missing.html", include_bytes!("../assets/missing.html").as_slice()),
        Asset::new("large.txt", large()),
    ];
    let pages = vec![
        file("index.html", "text/html", &["/"], None),
        file("missing.html", "text/html", &[], Some(StatusCode::NOT_FOUND)),
        file("style.css", "text/css", &[], None),
        file("script.js", "text/javascript", &[], None),
        file("large.txt", "text/plain", &[], None),
    ];
    ROUTER.with_borrow_mut(|router| {
        if let Err(error) = router.certify_assets(assets, pages) {
            ic_cdk::api::trap(format!("the files cannot be certified: {error}"));
        }
        ic_cdk::api::certified_data_set(router.root_hash());
    });
}

/// The file that a request asks for, with its certificate.
pub fn serve(request: &Request) -> Response {
    let Some(certificate) = ic_cdk::api::data_certificate() else {
        ic_cdk::api::trap("only a query of a browser's gateway has a certificate");
    };
    let Some(request) = request.to_library() else {
        ic_cdk::api::trap("the request's method is none of HTTP");
    };
    ROUTER.with_borrow(|router| match router.serve_asset(&certificate, &request) {
        Ok(response) => response.into(),
        Err(error) => ic_cdk::api::trap(format!("no file can be served: {error}")),
    })
}

fn file(
    path: &str,
    content_type: &str,
    aliases: &[&str],
    for_others: Option<StatusCode>,
) -> AssetConfig {
    AssetConfig::File {
        path: path.into(),
        content_type: Some(content_type.into()),
        headers: vec![("cache-control".into(), "no-cache".into())],
        fallback_for: for_others
            .map(|status| AssetFallbackConfig { scope: "/".into(), status_code: Some(status) })
            .into_iter()
            .collect(),
        aliased_by: aliases.iter().map(|alias| (*alias).into()).collect(),
        encodings: vec![],
    }
}

/// Lines that are all different, so that a part in the wrong place is seen.
fn large() -> Vec<u8> {
    (0..LARGE_BYTES / 10).flat_map(|line| format!("{line:09}\n").into_bytes()).collect()
}
