//! The page that shows the thumbnails. Text in, text out.

use crate::picture::Sizes;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Thumbnails</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
  main { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: end; padding: 1.5rem }
  figure { margin: 0 }
  img { display: block; border-radius: 4px }
</style>
<main>
"#;

/// A page with one figure for each thumbnail; names are paths relative to the page.
pub(crate) fn html(thumbnails: &[(String, Sizes)]) -> String {
    let mut page = String::from(HEAD);
    for (name, sizes) in thumbnails {
        let (address, text) = (address(name), escape(name));
        let (width, height) = (sizes.thumbnail.width, sizes.thumbnail.height);
        page.push_str(&format!(
            "  <figure><img src=\"{address}\" width=\"{width}\" height=\"{height}\" alt=\"\">"
        ));
        page.push_str(&format!(
            "<figcaption>{text}<br>{}</figcaption></figure>\n",
            sizes.picture
        ));
    }
    page.push_str("</main>\n");
    page
}

/// A name as a relative address: all but the plainest characters as `%XX`.
fn address(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    name.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Size;

    #[test]
    fn names_cannot_break_the_page() {
        let size = Size {
            width: 3,
            height: 2,
        };
        let sizes = Sizes {
            picture: size,
            thumbnail: size,
        };
        let page = html(&[("a \"<b>&.png".to_owned(), sizes)]);
        assert!(
            page.contains("src=\"a%20%22%3Cb%3E%26.png\" width=\"3\" height=\"2\""),
            "{page}"
        );
        assert!(
            page.contains("<figcaption>a \"&lt;b>&amp;.png<br>3x2<"),
            "{page}"
        );
    }
}
