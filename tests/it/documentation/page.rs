//! One page of Markdown: its anchors, links and code.

use std::collections::{BTreeSet, HashMap};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use scraper::Html;

/// The content of a page that the tests read.
#[derive(Default)]
pub(super) struct Page {
    /// The path from the root of the repository, such as `docs/operate.md`.
    pub(super) path: String,
    /// The anchors, without `#`.
    pub(super) anchors: BTreeSet<String>,
    /// The targets of links and pictures.
    pub(super) links: Vec<String>,
    /// Code within the text, in backticks.
    pub(super) codes: Vec<Code>,
    /// The lines of shell code blocks.
    pub(super) shell: Vec<String>,
}

/// A piece of code in backticks.
pub(super) struct Code {
    pub(super) text: String,
    /// The anchor of the heading above; empty before the first.
    pub(super) section: String,
    /// The column of the table that holds the code, from 0; `None` outside tables.
    pub(super) column: Option<usize>,
}

impl Page {
    pub(super) fn parse(path: &str, markdown: &str) -> Self {
        let mut page = Self { path: path.into(), ..Self::default() };
        let mut seen = HashMap::new();
        let mut heading = None;
        let mut section = String::new();
        let mut column = None;
        let mut shell = false;
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    section = anchor(&heading.take().unwrap_or_default(), &mut seen);
                    page.anchors.insert(section.clone());
                }
                Event::Start(Tag::TableHead | Tag::TableRow) => column = Some(0),
                Event::End(TagEnd::TableCell) => column = column.map(|column| column + 1),
                Event::End(TagEnd::Table) => column = None,
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    shell = matches!(kind, CodeBlockKind::Fenced(language) if &*language == "sh");
                }
                Event::End(TagEnd::CodeBlock) => shell = false,
                Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                    let (text, section) = (text.into_string(), section.clone());
                    page.codes.push(Code { text, section, column });
                }
                Event::Text(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                    if shell {
                        page.shell.extend(text.lines().map(str::to_owned));
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => page.read_html(&html),
                _ => (),
            }
        }
        page
    }

    fn read_html(&mut self, html: &str) {
        for element in Html::parse_fragment(html).tree.values().filter_map(|node| node.as_element())
        {
            for (name, value) in element.attrs() {
                match name {
                    "href" | "src" | "srcset" => self.links.push(value.into()),
                    "id" | "name" => drop(self.anchors.insert(value.into())),
                    _ => (),
                }
            }
        }
    }

    /// The code in the first column of the tables of a section.
    pub(super) fn first_column(&self, section: &str) -> BTreeSet<&str> {
        let inside = |code: &&Code| code.section == section && code.column == Some(0);
        self.codes.iter().filter(inside).map(|code| &*code.text).collect()
    }

    /// Shell lines, and code within the text.
    pub(super) fn code(&self) -> impl Iterator<Item = &str> {
        self.shell.iter().map(String::as_str).chain(self.codes.iter().map(|code| &*code.text))
    }
}

/// The anchor that GitHub gives a heading: in lower case, with hyphens for spaces, without
/// punctuation, and numbered where an earlier heading has it already.
fn anchor(heading: &str, seen: &mut HashMap<String, usize>) -> String {
    let letter = |letter: char| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => letter.is_alphanumeric().then_some(letter),
    };
    let base: String = heading.to_lowercase().chars().filter_map(letter).collect();
    let earlier = seen.entry(base.clone()).or_default();
    *earlier += 1;
    match *earlier {
        1 => base,
        more => format!("{base}-{}", more - 1),
    }
}

#[test]
fn headings_get_github_anchors() {
    let mut seen = HashMap::new();
    for (heading, expected) in [
        ("In production", "in-production"),
        ("Sign-in: an IdentityProvider", "sign-in-an-identityprovider"),
        ("ID token and userinfo (Core 2, 3.1.3.7)", "id-token-and-userinfo-core-2-3137"),
        ("SESSION_STORE & co.", "session_store--co"),
        ("Über", "über"),
        ("In production", "in-production-1"),
        ("In production", "in-production-2"),
    ] {
        assert_eq!(anchor(heading, &mut seen), expected);
    }
}
