//! The built page, which `app/dist` has.

use include_dir::{Dir, include_dir};

static DIST: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/app/dist");

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asset {
    pub(crate) kind: &'static str,
    pub(crate) bytes: &'static [u8],
}

/// The file at a path.
pub(crate) fn find(path: &str) -> Option<Asset> {
    if path == "index.html" {
        return None;
    }
    let file = DIST.get_file(path)?;
    let kind = match path.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "woff2" => "font/woff2",
        "html" => "text/html; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    Some(Asset { kind, bytes: file.contents() })
}

/// The script of the page, in one file.
pub(crate) fn script() -> Option<&'static str> {
    only("js")
}

/// The style of the page, in one file.
pub(crate) fn style() -> Option<&'static str> {
    only("css")
}

/// The one built file with an ending.
fn only(ending: &str) -> Option<&'static str> {
    let mut files = DIST
        .get_dir("assets")?
        .files()
        .filter(|file| file.path().extension().is_some_and(|extension| extension == ending));
    let file = files.next().filter(|_| files.next().is_none())?;
    file.contents_utf8()
}

/// The page, below a path that ends with `/`.
pub(crate) fn index(base: &str) -> String {
    let html = DIST.get_file("index.html").and_then(|file| file.contents_utf8()).unwrap_or(WITHOUT);
    let element = format!("<base href=\"{base}\">");
    match (html.find("<base "), html.find("<head>")) {
        (Some(at), _) => {
            let end = html[at..].find('>').map_or(html.len(), |end| at + end + 1);
            format!("{}{element}{}", &html[..at], &html[end..])
        }
        (None, Some(at)) => {
            let (before, behind) = html.split_at(at + "<head>".len());
            format!("{before}{element}{behind}")
        }
        (None, None) => html.to_owned(),
    }
}

/// Shown by a program that was built without the page.
const WITHOUT: &str = "<!doctype html><html lang=\"en\"><head><title>roboppi</title></head><body><h1>roboppi</h1>\
    <p>This program was built without its page. <a href=\"api/v1/runs\">The runs</a>, \
    <a href=\"api/v1/openapi.json\">the API</a></p></body></html>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_script_and_one_style() {
        assert!(
            script().is_some_and(|text| text.len() > 1000) && style().is_some_and(|text| text.len() > 1000)
        );
    }

    #[test]
    fn the_page_knows_where_it_is() {
        let page = index("/x/");
        assert_eq!(page.matches("<base href=\"/x/\">").count(), 1, "{page}");
        assert!(page.find("<base").unwrap() < page.find("<title>").unwrap_or(usize::MAX));
        assert!(find("index.html").is_none(), "it is served with its place only");
        assert!(find("../Cargo.toml").is_none() && find("").is_none());
    }
}
