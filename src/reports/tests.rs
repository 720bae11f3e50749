//! What is written is read back; what a formula could be is not one; what is given up leaves nothing.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::clock::Timestamp;
use crate::domain::id::ReportId;
use crate::domain::report::ReportFormat;

const COLUMNS: &[&str] = &["id", "text", "list", "number", "time"];

fn rendered(format: ReportFormat, is_guarded: bool, rows: &[(String, Vec<String>, i64)]) -> Vec<u8> {
    let mut out = Renderer::new(Vec::new(), format, is_guarded, COLUMNS).unwrap();
    for (text, list, number) in rows {
        out.row(&[
            Cell::Ours("x_1"),
            Cell::Text(text),
            Cell::List(list),
            Cell::Number(*number),
            Cell::Time(Timestamp::from_micros(1_700_000_000_000_001)),
        ])
        .unwrap();
    }
    assert_eq!(out.rows(), u64::try_from(rows.len()).unwrap());
    out.finish().unwrap()
}

fn records(csv: &[u8]) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new().from_reader(csv);
    assert_eq!(reader.headers().unwrap(), COLUMNS);
    reader.records().map(Result::unwrap).collect()
}

fn any_rows() -> impl Strategy<Value = Vec<(String, Vec<String>, i64)>> {
    let dangerous = "[=+@\\-\t\r\n＝＋－＠'\" ,;a]{0,6}";
    let text = prop_oneof![dangerous, "\\PC{0,12}", any::<String>()];
    let list = proptest::collection::vec(prop_oneof![dangerous, "[a-z]{1,5}@b"], 0..4);
    proptest::collection::vec((text, list, any::<i64>()), 0..12)
}

proptest! {
    #[test]
    fn no_guarded_cell_of_others_begins_like_a_formula_however_it_is_split_and_ours_are_untouched(rows in any_rows()) {
        let without_guards = |text: &str| text.replace('\'', "");
        for (record, (text, list, number)) in records(&rendered(ReportFormat::Csv, true, &rows)).iter().zip(&rows) {
            for (cell, given) in [(&record[1], text.clone()), (&record[2], list.join("; "))] {
                prop_assert!(!cell.starts_with(['\t', '\r', '\n']), "{cell:?}");
                for part in cell.split([';', '\t', '\r', '\n']) {
                    let first = part.trim_start_matches([' ', '"']).chars().next();
                    prop_assert!(!first.is_some_and(|first| "=+-@＝＋－＠".contains(first)), "{cell:?}");
                }
                prop_assert_eq!(without_guards(cell), without_guards(&given));
            }
            prop_assert_eq!(&record[3], number.to_string());
            prop_assert_eq!(&record[4], "2023-11-14T22:13:20.000001Z");
        }
    }

    #[test]
    fn csv_without_the_guard_reads_back_exactly(rows in any_rows()) {
        let read = records(&rendered(ReportFormat::Csv, false, &rows));
        prop_assert_eq!(read.len(), rows.len());
        for (record, (text, list, number)) in read.iter().zip(&rows) {
            prop_assert_eq!(&record[1], text);
            prop_assert_eq!(&record[2], list.join("; "));
            prop_assert_eq!(&record[3], number.to_string());
        }
    }

    #[test]
    fn json_lines_read_back_exactly_and_are_never_guarded(rows in any_rows()) {
        let written = String::from_utf8(rendered(ReportFormat::Jsonl, true, &rows)).unwrap();
        let lines: Vec<&str> = written.split_terminator('\n').collect();
        prop_assert_eq!(lines.len(), rows.len());
        for (line, (text, list, number)) in lines.iter().zip(&rows) {
            let expected = serde_json::json!({
                "id": "x_1", "text": text, "list": list, "number": number, "time": "2023-11-14T22:13:20.000001Z"
            });
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap(), expected);
        }
    }
}

#[test]
fn csv_ends_its_lines_with_crlf_and_quotes_as_rfc_4180_says() {
    let rows = [("a \"b\", c".to_owned(), vec!["x".to_owned(), "y".to_owned()], -1)];
    let written = String::from_utf8(rendered(ReportFormat::Csv, true, &rows)).unwrap();
    assert_eq!(
        written,
        "id,text,list,number,time\r\nx_1,\"a \"\"b\"\", c\",x; y,-1,2023-11-14T22:13:20.000001Z\r\n"
    );
}

#[test]
fn the_guard_stands_only_where_a_cell_could_begin() {
    for (text, guarded) in [
        ("=1+1", "'=1+1"),
        ("  =1+1", "  '=1+1"),
        ("\"=1+1\"", "\"'=1+1\""),
        ("Offer;=1+1;", "Offer;'=1+1;"),
        ("a\tb; -1", "a\tb; '-1"),
        ("\t=1", "'\t'=1"),
        ("a\r\n+1", "a\r\n'+1"),
        ("a=b, c-d; e@f", "a=b, c-d; e@f"),
    ] {
        let rows = [(text.to_owned(), vec![text.to_owned(), text.to_owned()], 1)];
        let read = records(&rendered(ReportFormat::Csv, true, &rows));
        assert_eq!(&read[0][1], guarded);
        assert_eq!(&read[0][2], format!("{guarded}; {guarded}"));
    }
}

#[test]
fn a_row_with_other_columns_is_refused() {
    let mut out = Renderer::new(Vec::new(), ReportFormat::Jsonl, true, COLUMNS).unwrap();
    assert!(out.row(&[Cell::Empty]).is_err());
}

struct Folder {
    folder: ReportFolder,
    path: std::path::PathBuf,
    _home: tempfile::TempDir,
}

fn folder() -> Folder {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data/reports");
    Folder {
        folder: ReportFolder::open(path.clone()).unwrap(),
        path,
        _home: home,
    }
}

fn name(fence: i64) -> FileName {
    FileName {
        report: ReportId::from_bits(7),
        fence,
        format: ReportFormat::Jsonl,
    }
}

impl Folder {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(&self.path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn plan(&self, fence: i64) -> BuildPlan {
        BuildPlan {
            folder: self.folder.clone(),
            name: name(fence),
            is_guarded: true,
            max_rows: 10,
            max_bytes: 100_000,
        }
    }
}

#[test]
fn a_file_and_its_folder_are_their_owners_only_and_the_checksum_is_of_its_bytes() {
    let there = folder();
    let mut draft = there.folder.begin(name(1)).unwrap();
    draft.write_all(b"hello ").unwrap();
    draft.write_all(b"world").unwrap();
    assert_eq!(there.names(), [format!("{}.1.part", ReportId::from_bits(7))]);
    let (bytes, sha256) = draft.publish().unwrap();
    assert_eq!(there.names(), [name(1).to_string()]);
    let file = there.path.join(name(1).to_string());
    let content = std::fs::read(&file).unwrap();
    let expected: String = Sha256::digest(&content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!((content.as_slice(), bytes, sha256), (&b"hello world"[..], 11, expected));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&there.path), mode(&file)), (0o700, 0o600));
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing_and_one_that_a_crash_left_is_begun_anew() {
    let there = folder();
    let mut draft = there.folder.begin(name(1)).unwrap();
    draft.write_all(b"half").unwrap();
    drop(draft);
    assert_eq!(there.names(), Vec::<String>::new());
    std::fs::write(
        there.path.join(format!("{}.1.part", ReportId::from_bits(7))),
        "of a crash",
    )
    .unwrap();
    let (bytes, _) = there.folder.begin(name(1)).unwrap().publish().unwrap();
    assert_eq!(bytes, 0);
}

#[test]
fn only_names_of_ours_are_found_and_read_back() {
    let there = folder();
    let id = ReportId::from_bits(7);
    let ours = [format!("{id}.3.csv"), format!("{id}.3.part"), format!("{id}.12.jsonl")];
    let others = [
        "notes.txt".to_owned(),
        format!("{id}.csv"),
        format!("{id}.03.csv"),
        format!("{id}.3.csv.gz"),
    ];
    for name in ours.iter().chain(&others) {
        std::fs::write(there.path.join(name), "").unwrap();
    }
    let found = there.folder.list().unwrap();
    assert_eq!(found.len(), ours.len(), "{found:?}");
    for file in &found {
        assert!(there.folder.remove(file).unwrap());
        assert!(!there.folder.remove(file).unwrap());
    }
    let mut left = others.to_vec();
    left.sort();
    assert_eq!(there.names(), left);
}

struct Lines(u64);

impl Page for Lines {
    const COLUMNS: &'static [&'static str] = &["number"];

    fn write_to<W: Write>(&self, out: &mut Renderer<W>) -> std::io::Result<()> {
        (0..self.0).try_for_each(|_| out.row(&[Cell::Number(1)]))
    }
}

#[tokio::test]
async fn a_build_makes_one_file_of_its_pages() {
    let there = folder();
    let mut build = Build::begin(there.plan(4));
    build.page(Lines(2)).await.unwrap();
    build.page(Lines(3)).await.unwrap();
    let built = build.finish().await.unwrap();
    assert_eq!((built.rows, built.bytes), (5, 5 * 13));
    assert_eq!(there.names(), [name(4).to_string()]);
}

#[tokio::test]
async fn a_build_that_is_given_up_or_dropped_leaves_nothing() {
    let there = folder();
    let build = Build::begin(there.plan(1));
    build.page(Lines(1)).await.unwrap();
    build.give_up().await;
    assert_eq!(there.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_build_beyond_its_bounds_ends_and_leaves_nothing() {
    let there = folder();
    let mut build = Build::begin(there.plan(1));
    build.page(Lines(11)).await.unwrap();
    let error = build.finish().await.unwrap_err();
    assert!(matches!(error, BuildError::TooManyRows { max: 10 }), "{error}");
    let mut build = Build::begin(BuildPlan {
        max_bytes: 64,
        ..there.plan(2)
    });
    build.page(Lines(9)).await.unwrap();
    let error = build.finish().await.unwrap_err();
    assert!(matches!(error, BuildError::TooManyBytes { max: 64 }), "{error}");
    assert_eq!(there.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_build_whose_file_cannot_be_made_says_so() {
    let there = folder();
    std::fs::remove_dir_all(&there.path).unwrap();
    let mut build = Build::begin(there.plan(1));
    if build.page(Lines(1)).await.is_ok() {
        tracing::debug!("the thread had not failed yet");
    }
    let error = build.finish().await.unwrap_err();
    assert!(matches!(error, BuildError::Io(_)), "{error}");
}
