//! The code of docs/signing.md, run as it is printed there: each language must make a token that opens a room.

use std::path::Path;
use std::process::Command;

use clap::Parser as _;
use presence_server::SiteKey;
use serde_json::{Value, json};

use crate::common::embed::{Embed, SHOP};
use crate::common::{TestServer, config};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    key: SiteKey,
}

struct Language {
    /// The language of the document's code block.
    mark: &'static str,
    program: &'static str,
    /// Prints a token for the room `private/é` and the user 42.
    call: &'static str,
}

const LANGUAGES: [Language; 4] = [
    Language {
        mark: "ruby",
        program: "ruby",
        call: r#"puts presence_token("private/é", user: "42", info: { name: "Ada" })"#,
    },
    Language {
        mark: "python",
        program: "python3",
        call: r#"print(presence_token("private/é", user="42", info={"name": "Ada"}))"#,
    },
    Language {
        mark: "js",
        program: "node",
        call: r#"console.log(presenceToken("private/é", { user: "42", info: { name: "Ada" } }));"#,
    },
    Language {
        mark: "php",
        program: "php",
        call: r#"echo presence_token("private/é", "42", ["name" => "Ada"]), "\n";"#,
    },
];

fn code(document: &str, mark: &str) -> String {
    let after = document.split_once(&format!("```{mark}\n")).unwrap_or_else(|| panic!("no {mark} in the document")).1;
    after.split_once("```").unwrap().0.to_owned()
}

/// The token that a language makes with this key; `None` if the machine does not have the language.
fn made(language: &Language, code: &str, key: &str, folder: &Path) -> Option<String> {
    let file = folder.join(language.mark);
    std::fs::write(&file, format!("{code}\n{}\n", language.call)).unwrap();
    // Otherwise the encoding depends on the machine.
    let run = Command::new(language.program).arg(&file).env("PRESENCE_KEY", key).env("LANG", "C.UTF-8").output();
    let Ok(output) = run else {
        println!("{} is not on this machine: its signer is not tested here", language.program);
        return None;
    };
    assert!(output.status.success(), "{}: {}", language.mark, String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[tokio::test]
async fn every_language_of_the_document_makes_tokens_of_one_user() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::with(config(&format!("--site {SHOP} --data-dir {}", folder.path().display()))).await;
    let words = ["key", "--site", SHOP, "--data-dir", folder.path().to_str().unwrap()];
    let (key, said) = Line::parse_from(words).key.key().unwrap();
    assert!(key.len() == 64 && said.is_none());
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/signing.md");
    let document = std::fs::read_to_string(document).unwrap();
    let mut pages = Vec::new();
    for language in &LANGUAGES {
        let Some(token) = made(language, &code(&document, language.mark), &key, folder.path()) else { continue };
        let mut page = Embed::begin(&server, SHOP).await;
        page.join("private/é", Some(&token)).await;
        pages.push(page);
        let count = pages.len();
        let told = pages.last_mut().unwrap();
        let one = told.wanted(|message: &Value| {
            assert_ne!(message["type"], "error", "{}: {message}", language.mark);
            (message["tabs"] == count).then(|| message["users"].clone())
        });
        assert_eq!(one.await, json!(1), "{}: the user 42 is the same in every language", language.mark);
    }
    assert!(!pages.is_empty(), "no language of the document is on this machine");
}
