//! The dashboard at `/`: one page and its modules, embedded in the program. It has no data of its own: the browser calls the
//! API with the token that the visitor enters.
//!
//! Charts, tables and evaluations are drawn by the code of the browser page (`examples/browser`), so both look alike.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

const PAGE: &str = include_str!("index.html");

/// Name, content type and text of all files that the page loads from `/assets/`.
const ASSETS: [(&str, &str, &str); 19] = [
    ("app.js", SCRIPT, include_str!("app.js")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("customers.js", SCRIPT, include_str!("customers.js")),
    ("data.js", SCRIPT, include_str!("data.js")),
    ("detected.js", SCRIPT, include_str!("detected.js")),
    ("history.js", SCRIPT, include_str!("history.js")),
    ("models.js", SCRIPT, include_str!("models.js")),
    ("parts.js", SCRIPT, include_str!("parts.js")),
    ("settings.js", SCRIPT, include_str!("settings.js")),
    ("style.css", STYLE, include_str!("style.css")),
    ("subscriptions.js", SCRIPT, include_str!("subscriptions.js")),
    ("charts.js", SCRIPT, include_str!("../../../examples/browser/charts.js")),
    ("dom.js", SCRIPT, include_str!("../../../examples/browser/dom.js")),
    ("findings.js", SCRIPT, include_str!("../../../examples/browser/findings.js")),
    ("over_time.js", SCRIPT, include_str!("../../../examples/browser/over_time.js")),
    ("results.js", SCRIPT, include_str!("../../../examples/browser/results.js")),
    ("slipping.js", SCRIPT, include_str!("../../../examples/browser/slipping.js")),
    ("words.js", SCRIPT, include_str!("../../../examples/browser/words.js")),
    ("page.css", STYLE, include_str!("../../../examples/browser/style.css")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Content security policy of the page: it may load its own scripts and styles, and call its own server. Injected markup in the
/// data can neither run code nor send anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Routes for `/` and `/assets/…`.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let page = Router::new().route("/", get(|| answer("text/html; charset=utf-8", PAGE)));
    ASSETS.iter().fold(page, |router, &(name, kind, text)| {
        router.route(&format!("/assets/{name}"), get(move || answer(kind, text)))
    })
}

/// Browsers revalidate each time, because a new version of the program brings a new version of the page.
async fn answer(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache"), (CONTENT_SECURITY_POLICY, POLICY)], text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dashboard shares modules with the browser page, whose own modules it does not have. One import of a file that is not
    /// there, and nothing of the page would run.
    #[test]
    fn every_module_that_is_imported_is_there() {
        let mut imports = 0;
        for (name, kind, text) in ASSETS {
            if kind != SCRIPT {
                continue;
            }
            for (_, rest) in text.match_indices("from \"./").map(|(at, found)| (at, &text[at + found.len()..])) {
                let imported = rest.split('"').next().unwrap_or_default();
                assert!(ASSETS.iter().any(|asset| asset.0 == imported), "{name} imports {imported}");
                imports += 1;
            }
        }
        assert!(imports > 20, "{imports}");
    }
}
