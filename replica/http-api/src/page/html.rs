//! The page as HTML: no resource but itself, everything from outside escaped.

use std::fmt::Write as _;
use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::plot::{HEIGHT, Plot, WIDTH};
use super::report::{CanisterReport, CanistersReport, MemberReport, Report};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page's style and script by digest, so that nothing else of either kind can run.
static SOURCES: LazyLock<String> = LazyLock::new(|| {
    let digest = |text: &str| crate::base64::encode(&Sha256::digest(text.as_bytes()));
    format!("script-src 'sha256-{}'; style-src 'sha256-{}'", digest(SCRIPT), digest(STYLE))
});

/// What the page may load and whom its script may ask: this node and the other members.
pub(crate) fn content_security_policy(report: &Report) -> String {
    let members: String = report.members.iter().map(|member| format!(" {}", member.api)).collect();
    format!(
        "default-src 'none'; {}; connect-src 'self'{members}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        *SOURCES
    )
}

/// The whole page.
pub(crate) fn render(report: &Report) -> String {
    let name = escaped(&report.subnet_name);
    let mut page = String::with_capacity(32 * 1024);
    put(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name}: subnet status</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        ),
    );
    put_header(&mut page, report, &name);
    page.push_str("<main>\n");
    put_overview(&mut page, report);
    put_block_rate(&mut page, &report.block_rate);
    put_nodes(&mut page, report);
    put_canisters(&mut page, &report.canisters);
    page.push_str("</main>\n");
    page.push_str("<footer><p class=\"soft\">The same as data: <a href=\"/_/status.json\">/_/status.json</a></p></footer>\n");
    put(&mut page, format_args!("<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    page
}

fn put_header(page: &mut String, report: &Report, name: &str) {
    let subnet = report.subnet_id.as_deref().unwrap_or("no chain key yet");
    put(
        page,
        format_args!(
            "<header>\n<h1>{name} <span id=\"health\" class=\"badge {}\">{}</span></h1>\n\
         <p class=\"soft\">Subnet <code>{}</code> ({})</p>\n\
         <p class=\"soft\">As seen by node <code>{}</code>, version {}</p>\n\
         <p id=\"connection\" class=\"bad\" role=\"status\"></p>\n\
         <p id=\"alert\" role=\"alert\"></p>\n</header>\n",
            health_class(report.health),
            report.health,
            escaped(subnet),
            report.subnet_type,
            escaped(&report.node_id),
            escaped(&report.replica_version),
        ),
    );
}

fn put_overview(page: &mut String, report: &Report) {
    let root = report.state_root.as_deref().unwrap_or("none yet");
    put(
        page,
        format_args!(
            "<section aria-labelledby=\"overview\">\n<h2 id=\"overview\">Chain</h2>\n<dl class=\"facts\">\n\
         <div><dt>Certified height</dt><dd id=\"certified\">{}</dd></div>\n\
         <div><dt>Finalized height</dt><dd id=\"finalized\">{}</dd></div>\n\
         <div><dt>Canisters</dt><dd id=\"canister-total\">{}</dd></div>\n\
         <div><dt>Calls waiting here</dt><dd id=\"waiting\">{}</dd></div>\n</dl>\n\
         <p class=\"soft\">Certified state root <code id=\"root\">{}</code></p>\n</section>\n",
            grouped(report.certified_height),
            grouped(report.finalized_height),
            grouped(report.canisters.total as u64),
            grouped(report.waiting_calls as u64),
            escaped(root),
        ),
    );
}

fn put_block_rate(page: &mut String, plot: &Plot) {
    let (whole, tenth) = (plot.rate_tenths / 10, plot.rate_tenths % 10);
    put(
        page,
        format_args!(
            "<section aria-labelledby=\"block-rate\">\n<h2 id=\"block-rate\">Block rate: \
         <span id=\"rate\">{whole}.{tenth}</span> blocks per second</h2>\n<figure>\n\
         <div class=\"axis\"><span id=\"rate-max\">{} blocks/s</span></div>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"Certified blocks per second over the last two minutes\">\n\
         <line class=\"grid\" x1=\"0\" y1=\"0\" x2=\"{WIDTH}\" y2=\"0\"/>\
         <line class=\"grid\" x1=\"0\" y1=\"{half}\" x2=\"{WIDTH}\" y2=\"{half}\"/>\
         <line class=\"grid\" x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\n\
         <polyline id=\"rate-line\" class=\"rate\" points=\"{}\"/>\n</svg>\n\
         <div class=\"axis\"><span>two minutes ago</span><span>now</span></div>\n\
         </figure>\n</section>\n",
            plot.rate_max,
            plot.points,
            half = HEIGHT / 2,
        ),
    );
}

fn put_nodes(page: &mut String, report: &Report) {
    page.push_str(
        "<section aria-labelledby=\"nodes\">\n<h2 id=\"nodes\">Nodes</h2>\n<div class=\"scroll\"><table>\n\
         <caption>Nodes of the subnet, each as it reports itself</caption>\n\
         <thead><tr><th scope=\"col\">Node</th><th scope=\"col\">State</th>\
         <th scope=\"col\" class=\"number\">Certified</th><th scope=\"col\" class=\"number\">Finalized</th>\
         <th scope=\"col\">State root</th><th scope=\"col\">Version</th></tr></thead>\n<tbody>\n",
    );
    for member in &report.members {
        put_node(page, report, member);
    }
    page.push_str(
        "</tbody></table></div>\n<noscript><p class=\"soft\">\
         The other nodes' rows are filled in by a script.</p></noscript>\n</section>\n",
    );
}

fn put_node(page: &mut String, report: &Report, member: &MemberReport) {
    let own = member.node_id == report.node_id;
    let known = |value: String| if own { value } else { "\u{2026}".to_owned() };
    let root = report.state_root.as_deref().map_or("none yet", |root| &root[..root.len().min(16)]);
    put(
        page,
        format_args!(
            "<tr data-api=\"{api}\" data-node=\"{id}\" data-own=\"{}\"><th scope=\"row\" data-label=\"Node\">\
         <span><code title=\"{id}\">{}</code>{}<br><a href=\"{api}/_/\" class=\"soft\">{}</a></span></th>\
         <td data-label=\"State\"><span data-cell=\"health\" class=\"badge {}\">{}</span></td>\
         <td data-label=\"Certified\" class=\"number\" data-cell=\"certified\">{}</td>\
         <td data-label=\"Finalized\" class=\"number\" data-cell=\"finalized\">{}</td>\
         <td data-label=\"State root\"><code data-cell=\"root\">{}</code></td>\
         <td data-label=\"Version\" data-cell=\"version\">{}</td></tr>\n",
            if own { "yes" } else { "no" },
            escaped(short(&member.node_id)),
            if own { " (this node)" } else { "" },
            escaped(member.api.trim_start_matches("http://")),
            if own { health_class(report.health) } else { "waiting" },
            known(report.health.to_owned()),
            known(grouped(report.certified_height)),
            known(grouped(report.finalized_height)),
            known(escaped(root)),
            known(escaped(&report.replica_version)),
            api = escaped(&member.api),
            id = escaped(&member.node_id),
        ),
    );
}

fn put_canisters(page: &mut String, canisters: &CanistersReport) {
    page.push_str("<section aria-labelledby=\"canisters\">\n<h2 id=\"canisters\">Canisters</h2>\n");
    if canisters.total == 0 {
        page.push_str("<p class=\"soft\">None yet.</p>\n</section>\n");
        return;
    }
    page.push_str(
        "<div class=\"scroll\"><table>\n<caption>Canisters of the subnet in order of their ids</caption>\n\
         <thead><tr><th scope=\"col\">Canister</th><th scope=\"col\">Status</th>\
         <th scope=\"col\" class=\"number\">Memory</th><th scope=\"col\" class=\"number\">Cycles</th>\
         <th scope=\"col\">Module hash</th></tr></thead>\n<tbody>\n",
    );
    for canister in &canisters.items {
        put_canister(page, canister);
    }
    page.push_str("</tbody></table></div>\n");
    put_pages(page, canisters);
    page.push_str("</section>\n");
}

fn put_canister(page: &mut String, canister: &CanisterReport) {
    let module = match &canister.module_hash {
        Some(hash) => format!("<code title=\"{hash}\">{}</code>", &hash[..hash.len().min(16)]),
        None => "<span class=\"soft\">no code</span>".to_owned(),
    };
    put(
        page,
        format_args!(
            "<tr><th scope=\"row\" data-label=\"Canister\"><code>{}</code></th>\
         <td data-label=\"Status\">{}</td><td data-label=\"Memory\" class=\"number\">{}</td>\
         <td data-label=\"Cycles\" class=\"number\">{}</td><td data-label=\"Module hash\">{module}</td></tr>\n",
            escaped(&canister.id),
            canister.status,
            bytes_text(canister.memory_bytes),
            grouped_digits(&canister.cycles),
        ),
    );
}

fn put_pages(page: &mut String, canisters: &CanistersReport) {
    let CanistersReport { page: at, page_count, .. } = *canisters;
    if page_count < 2 {
        return;
    }
    page.push_str("<nav aria-label=\"Pages of canisters\">");
    if at > 1 {
        put(page, format_args!("<a rel=\"prev\" href=\"?page={}#canisters\">Previous</a>", at - 1));
    }
    put(page, format_args!("<span>Page {at} of {page_count}</span>"));
    if at < page_count {
        put(page, format_args!("<a rel=\"next\" href=\"?page={}#canisters\">Next</a>", at + 1));
    }
    page.push_str("</nav>\n");
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all text");
}

fn health_class(health: &str) -> &'static str {
    if health == "healthy" { "good" } else { "waiting" }
}

/// The first two groups of a principal's text, enough to tell nodes apart.
fn short(id: &str) -> &str {
    id.match_indices('-').nth(1).map_or(id, |(at, _)| &id[..at])
}

/// Digits in groups of three, with the narrow space that separates them.
fn grouped(number: u64) -> String {
    grouped_digits(&number.to_string())
}

fn grouped_digits(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn bytes_text(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let unit = (0..3).take_while(|unit| bytes >> (10 * (unit + 1)) > 0).count();
    let tenths = (u128::from(bytes) * 10) >> (10 * unit);
    match unit {
        0 => format!("{bytes} B"),
        unit => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

/// Text for HTML, in an element or in a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::plot;
    use types::Time;

    fn report(canister_count: usize, page_count: usize) -> Report {
        let canister = |n: usize| CanisterReport {
            id: format!("canister-{n}"),
            status: "running",
            memory_bytes: 3 << 20,
            cycles: "1234567".into(),
            module_hash: n.is_multiple_of(2).then(|| "ab".repeat(32)),
        };
        let member = |n: u8| MemberReport {
            node_id: format!("node{n}-aaaaa-bbbbb-ccc"),
            api: format!("http://127.0.0.{n}:8000"),
        };
        Report {
            node_id: member(1).node_id,
            subnet_id: None,
            subnet_name: "<script>alert('\"x\"')</script>".into(),
            subnet_type: "application",
            replica_version: "1&2".into(),
            health: "starting",
            time_ms: 1,
            finalized_height: 12,
            executed_height: 11,
            certified_height: 1_000_000,
            state_root: Some("cd".repeat(32)),
            state_time_ms: None,
            waiting_calls: 0,
            members: vec![member(1), member(2)],
            block_rate: plot::of_samples(&[], Time(0)),
            canisters: CanistersReport {
                total: canister_count,
                page: 1,
                page_count,
                items: (0..canister_count).map(canister).collect(),
            },
        }
    }

    #[test]
    fn foreign_text_is_escaped() {
        let page = render(&report(1, 1));
        let name = "&lt;script&gt;alert(&#39;&quot;x&quot;&#39;)&lt;/script&gt;";
        assert!(page.contains(name));
        assert!(!page.contains("alert('"));
        assert!(page.contains("1&amp;2"));
        assert_eq!(page.matches("<script>").count(), 1);
    }

    #[test]
    fn the_policy_lets_only_the_page_itself_run_and_asks_only_members() {
        let policy = content_security_policy(&report(0, 1));
        let digest = crate::base64::encode(&Sha256::digest(SCRIPT.as_bytes()));
        assert!(policy.contains(&format!("script-src 'sha256-{digest}'")));
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:8000 http://127.0.0.2:8000;"));
        assert!(!policy.contains("unsafe") && !policy.contains('*'));
        // A style attribute would be refused by the policy.
        assert!(!render(&report(3, 2)).contains(" style="));
    }

    #[test]
    fn lists_and_pages() {
        let none = render(&report(0, 1));
        assert!(none.contains("None yet.") && !none.contains("<nav"));
        let some = render(&report(3, 2));
        assert_eq!(some.matches("canister-").count(), 3 + some.matches("canister-total").count());
        assert!(some.contains("Page 1 of 2") && some.contains("?page=2#canisters"));
        assert!(some.contains("no code"));
        assert_eq!(some.matches("<tr data-api=").count(), 2);
        assert_eq!(some.matches("data-own=\"yes\"").count(), 1);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 999, 1000].map(grouped), ["0", "999", "1\u{202f}000"]);
        let sizes = [0, 1023, 1024, 1_600_000, u64::MAX].map(bytes_text);
        assert_eq!(sizes, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "17179869183.9 GiB"]);
    }
}
