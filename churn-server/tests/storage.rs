//! One suite that every backend of the storage passes, and what is particular to each. One file, and long, because most of it
//! is cases.

#[path = "standin/s3.rs"]
mod s3_standin;
mod standin;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use churn::{OnBadRow, ReadOptions};
use churn_server::storage::{
    Backoff, Breaker, Bucket, Local, Location, Memory, S3, S3Config, Storage, StorageError, StorageErrorKind, Supabase,
    SupabaseConfig, UploadError, put_bytes, put_written, store_csv,
};
use futures_util::{StreamExt, stream};
use standin::{ANON_TOKEN, Fault, PUBLISHABLE_KEY, SECRET_KEY, SERVICE_TOKEN, Standin};

const MAX: u64 = 1 << 30;

/// Longer than what any backend sends in one request, and no multiple of its chunks.
const LONG: usize = (20 << 20) + 12_345;

/// Bytes that differ all along: a chunk that is lost, doubled or misplaced shows.
fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}

/// A body in pieces of an odd size.
fn pieces(bytes: &Bytes) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + use<> {
    let bytes = bytes.clone();
    let size = 77_777;
    stream::iter(
        (0..bytes.len().div_ceil(size)).map(move |i| Ok(bytes.slice(i * size..bytes.len().min((i + 1) * size)))),
    )
}

fn at(key: &str) -> Location {
    Location::new(Bucket::Datasets, key).expect("a key")
}

async fn read(storage: &dyn Storage, at: &Location) -> Bytes {
    let content = storage.get(at).await.unwrap_or_else(|error| panic!("{at}: {error}"));
    let size = content.size;
    let bytes = content.bytes(MAX).await.expect("a whole object");
    assert_eq!(bytes.len() as u64, size, "{at}");
    bytes
}

async fn write(storage: &dyn Storage, at: &Location, bytes: &Bytes) {
    let size = storage.put(at, "text/csv", pieces(bytes).boxed(), MAX).await;
    assert_eq!(size.unwrap_or_else(|error| panic!("{at}: {error}")), bytes.len() as u64);
}

fn kind<T>(result: Result<T, StorageError>) -> StorageErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            error.kind()
        }
    }
}

/// All that the trait promises.
async fn keeps_the_promises(storage: &dyn Storage) {
    storage.prepare().await.expect("prepared");
    storage.prepare().await.expect("prepared again");
    objects_come_back(storage).await;
    ranges_are_cut(storage).await;
    lists_are_sorted(storage).await;
    broken_uploads_leave_nothing(storage).await;
    uploads_are_checked(storage).await;
    what_is_written_is_stored(storage).await;
    assert_eq!(storage.sweep().await.expect("swept"), 0);
}

async fn objects_come_back(storage: &dyn Storage) {
    let there = at("org_1/raw/a.csv");
    assert_eq!(kind(storage.get(&there).await), StorageErrorKind::NotFound);
    assert_eq!(kind(storage.head(&there).await), StorageErrorKind::NotFound);
    assert_eq!(kind(storage.get_range(&there, 0..1).await), StorageErrorKind::NotFound);
    assert!(!storage.delete(&there).await.expect("nothing to delete"));

    // The clock of a backend may count whole seconds.
    let before = SystemTime::now() - Duration::from_secs(2);
    for content in [noise(0), noise(1), noise(100_000), noise(LONG), noise(5)] {
        write(storage, &there, &content).await;
        assert!(read(storage, &there).await == content, "{} bytes came back changed", content.len());
        let head = storage.head(&there).await.expect("there");
        assert_eq!(head.size, content.len() as u64);
        assert!(head.modified >= before && head.modified <= SystemTime::now() + Duration::from_secs(2));
    }
    assert_eq!(put_bytes(storage, &there, "text/csv", "abc").await.expect("stored"), 3);
    assert_eq!(kind(storage.get(&there).await.expect("there").bytes(2).await), StorageErrorKind::TooLarge);
    // The same key in another bucket is another object, and a key may be the beginning of another.
    let elsewhere = Location::new(Bucket::Utils, "org_1/raw/a.csv").expect("a key");
    put_bytes(storage, &elsewhere, "text/csv", "other").await.expect("stored");
    put_bytes(storage, &at("org_1/raw/a.csv.bak"), "text/csv", "backup").await.expect("stored");
    assert_eq!(read(storage, &there).await, "abc");
    assert!(storage.delete(&there).await.expect("deleted"));
    assert!(!storage.delete(&there).await.expect("deleted before"));
    assert_eq!(kind(storage.get(&there).await), StorageErrorKind::NotFound);
    assert_eq!(read(storage, &elsewhere).await, "other");
    assert_eq!(read(storage, &at("org_1/raw/a.csv.bak")).await, "backup");

    // Writers of one key do not mix.
    let contents: Vec<Bytes> = (0..8).map(|i| noise(300_000 + i).slice(i..)).collect();
    futures_util::future::join_all(contents.iter().map(|content| write(storage, &there, content))).await;
    let last = read(storage, &there).await;
    assert!(contents.contains(&last));
}

async fn ranges_are_cut(storage: &dyn Storage) {
    let (at, content) = (at("org_1/raw/range.csv"), noise(10_000));
    write(storage, &at, &content).await;
    for (range, expected) in
        [(0..1, 0..1), (17..9_000, 17..9_000), (9_999..10_000, 9_999..10_000), (5..99_999, 5..10_000)]
    {
        let found = storage.get_range(&at, range).await.expect("a range").bytes(MAX).await.expect("its bytes");
        assert_eq!(found, content.slice(expected));
    }
    for range in [10_000..10_001, 50_000..60_000, 5..5] {
        assert_eq!(kind(storage.get_range(&at, range).await), StorageErrorKind::InvalidRange);
    }
}

async fn lists_are_sorted(storage: &dyn Storage) {
    let keys = ["l/z.csv", "l/a/2.csv", "l/a/10.csv", "l/ab/x.csv", "l/a.csv", "l/a/deep/er/1.csv"];
    for (i, key) in keys.iter().enumerate() {
        write(storage, &at(key), &noise(i)).await;
    }
    let list = async |prefix: &str| {
        let listed = storage.list(Bucket::Datasets, prefix).await.expect("a list");
        listed.into_iter().map(|listed| (listed.location.key().to_owned(), listed.size)).collect::<Vec<_>>()
    };
    let named =
        |expected: &[(&str, u64)]| expected.iter().map(|(key, size)| ((*key).to_owned(), *size)).collect::<Vec<_>>();
    // In the order of bytes '.' stands before '/', and '1' before '2'.
    let all = [
        ("l/a.csv", 4),
        ("l/a/10.csv", 2),
        ("l/a/2.csv", 1),
        ("l/a/deep/er/1.csv", 5),
        ("l/ab/x.csv", 3),
        ("l/z.csv", 0),
    ];
    assert_eq!(list("l/").await, named(&all));
    assert_eq!(list("l/a").await, named(&all[..5]));
    assert_eq!(list("l/a/").await, named(&all[1..4]));
    assert_eq!(list("l/a/d").await, named(&all[3..4]));
    assert_eq!(list("l/a/2.csv").await, named(&all[2..3]));
    assert!(list("nothing/").await.is_empty());
    assert!(list("../").await.is_empty());
    let listed = storage.list(Bucket::Datasets, "").await.expect("a list");
    assert!(listed.len() > all.len() && listed.is_sorted_by_key(|listed| listed.location.clone()));
    assert!(listed.iter().all(|listed| listed.location.bucket() == Bucket::Datasets));
    assert!(storage.list(Bucket::Models, "").await.expect("a list").is_empty());
}

async fn broken_uploads_leave_nothing(storage: &dyn Storage) {
    for length in [1_000, LONG] {
        let (old, new) = (at("org_2/raw/old.csv"), at("org_2/raw/new.csv"));
        put_bytes(storage, &old, "text/csv", "old").await.expect("stored");
        let content = noise(length);
        for at in [&old, &new] {
            let broken = pieces(&content).chain(stream::once(async { Err(io::Error::other("the client went away")) }));
            assert_eq!(kind(storage.put(at, "text/csv", broken.boxed(), MAX).await), StorageErrorKind::Body);
            let bound = length as u64 - 1;
            assert_eq!(
                kind(storage.put(at, "text/csv", pieces(&content).boxed(), bound).await),
                StorageErrorKind::TooLarge
            );
            let endless = pieces(&content).chain(stream::pending());
            let put = storage.put(at, "text/csv", endless.boxed(), MAX);
            assert!(tokio::time::timeout(Duration::from_millis(300), put).await.is_err());
        }
        assert_eq!(read(storage, &old).await, "old");
        assert_eq!(kind(storage.head(&new).await), StorageErrorKind::NotFound);
        assert_eq!(storage.list(Bucket::Datasets, "org_2/").await.expect("a list").len(), 1);
    }
}

async fn uploads_are_checked(storage: &dyn Storage) {
    let good = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-07,\n";
    let bad_row = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-07,much\n,2024-01-07,1\n";
    let no_date = "customer_id,amount\nanna,1\n";
    let skip = ReadOptions { on_bad_row: OnBadRow::Skip, max_bad_share: 1.0, ..ReadOptions::default() };
    let mut labelled = ReadOptions::default();
    labelled.columns.churn_label = Some("churn_label".to_owned());
    let at = at("org_3/raw/log.csv");
    // Byte by byte: where the pieces end does not matter.
    let store = async |text: &str, options: &ReadOptions| {
        let text = text.as_bytes().to_vec();
        let body = stream::iter(text.into_iter().map(|byte| Ok::<_, Infallible>(Bytes::from(vec![byte]))));
        store_csv(storage, &at, body, MAX, options).await
    };
    for (text, options, code, line) in [
        (bad_row, &ReadOptions::default(), "bad_rows", Some(3)),
        (no_date, &skip, "missing_column", Some(1)),
        ("", &skip, "empty_file", None),
        ("customer_id,event_date\n", &skip, "no_good_rows", None),
        (good, &labelled, "missing_column", Some(1)),
    ] {
        match store(text, options).await {
            Err(UploadError::Csv(error)) => assert_eq!((error.code(), error.line()), (code, line)),
            other => panic!("{code} was expected: {other:?}"),
        }
        assert_eq!(kind(storage.head(&at).await), StorageErrorKind::NotFound, "{code}");
    }
    let uploaded = store(bad_row, &skip).await.expect("stored");
    assert_eq!((uploaded.size, uploaded.csv.report.rows, uploaded.csv.report.good), (bad_row.len() as u64, 3, 1));
    assert_eq!(uploaded.csv.report.bad_rows.iter().map(|row| row.line).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(read(storage, &at).await, bad_row);
    let uploaded = store(good, &ReadOptions::default()).await.expect("stored");
    assert_eq!((uploaded.csv.report.rows, uploaded.csv.last_day.to_string().as_str()), (2, "2024-01-07"));
    assert_eq!(read(storage, &at).await, good);

    // What is refused early is not read to its end, and does not take the place of what was there.
    let endless = stream::iter([Ok(Bytes::from(no_date))]).chain(stream::repeat_with(|| Ok(noise(100_000))));
    let endless = endless.map(|piece: Result<Bytes, Infallible>| piece);
    match store_csv(storage, &at, endless, MAX, &skip).await {
        Err(UploadError::Csv(error)) => assert_eq!(error.code(), "missing_column"),
        other => panic!("a refusal was expected: {other:?}"),
    }
    let broken = stream::iter([Ok(Bytes::from(good)), Err(io::Error::other("gone"))]);
    match store_csv(storage, &at, broken, MAX, &skip).await {
        Err(UploadError::Storage(error)) => assert_eq!(error.code(), "upload_broken"),
        other => panic!("a broken upload was expected: {other:?}"),
    }
    match store_csv(storage, &at, stream::iter([Ok::<_, Infallible>(Bytes::from(good))]), 10, &skip).await {
        Err(UploadError::Storage(error)) => assert_eq!(error.code(), "payload_too_large"),
        other => panic!("too much was expected: {other:?}"),
    }
    assert_eq!(read(storage, &at).await, good);

    // A long one: 1,000,000 rows, each of 26 bytes behind a header of 23.
    let rows = 1_000_000_u64;
    let body = stream::iter((0..100).map(|part| {
        let head = if part == 0 { "customer_id,event_date\n" } else { "" };
        let rows = (0..10_000).map(|row| format!("c{:013},2024-01-05\n", part * 10_000 + row)).collect::<String>();
        Ok::<_, Infallible>(Bytes::from(format!("{head}{rows}")))
    }));
    let uploaded = store_csv(storage, &at, body, MAX, &ReadOptions::default()).await.expect("stored");
    assert_eq!((uploaded.size, uploaded.csv.report.good), (23 + rows * 26, rows));
    assert_eq!(storage.head(&at).await.expect("there").size, 23 + rows * 26);
    let content = storage.get(&at).await.expect("there").reader();
    let checked = tokio::task::spawn_blocking(move || churn::check_csv(content, &ReadOptions::default()));
    assert_eq!(checked.await.expect("no panic").expect("good rows").report.rows, rows);
}

async fn what_is_written_is_stored(storage: &dyn Storage) {
    let at = at("org_4/features/f.csv");
    let lines = async |count: u32, fails: bool, max: u64| {
        put_written(storage, &at, "text/csv", max, move |writer| {
            (0..count).try_for_each(|line| writeln!(writer, "{line}")).map_err(|_| Failed::Writing)?;
            if fails { Err(Failed::Own) } else { Ok("done") }
        })
        .await
    };
    assert_eq!(lines(200_000, true, MAX).await, Err(Failed::Own));
    assert_eq!(lines(200_000, false, 1_000_000).await, Err(Failed::Storage(StorageErrorKind::TooLarge)));
    assert_eq!(kind(storage.head(&at).await), StorageErrorKind::NotFound);
    // 10 numbers of one digit, 90 of two, 900 of three, 9,000 of four, 90,000 of five, 100,000 of six, and line ends.
    let size = 10 + 180 + 2_700 + 36_000 + 450_000 + 600_000 + 200_000;
    assert_eq!(lines(200_000, false, MAX).await, Ok((size, "done")));
    let expected: String = (0..200_000).map(|line| format!("{line}\n")).collect();
    assert!(read(storage, &at).await == expected);
}

#[derive(Debug, PartialEq)]
enum Failed {
    Own,
    Writing,
    Storage(StorageErrorKind),
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Failed::Storage(error.kind())
    }
}

#[tokio::test]
async fn memory() {
    keeps_the_promises(&Memory::default()).await;
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => drop(found.insert(path.display().to_string())),
        }
    }
    found
}

#[tokio::test]
async fn a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let storage = Local::new(folder.path().join("data"));
    keeps_the_promises(&storage).await;
    let partial = folder.path().join("data/.partial");
    assert_eq!(files(&partial), BTreeSet::new(), "broken uploads leave no file");

    // Another process over the same folder sees the same, and finds what a killed one has left; a writer at work is left alone.
    let again = Local::new(folder.path().join("data"));
    assert_eq!(read(&again, &at("org_2/raw/old.csv")).await, "old");
    std::fs::write(partial.join("0123456789abcdef"), "half a file").expect("written");
    // What no writer names so is somebody else's.
    std::fs::write(partial.join("notes.txt"), "mine").expect("written");
    let working = at("org_5/raw/slow.csv");
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let slow = pieces(&noise(1_000_000)).chain(stream::once(async move {
        wait.await.expect("told to go on");
        Ok(Bytes::from("the end"))
    }));
    let put = storage.put(&working, "text/csv", slow.boxed(), MAX);
    let sweep = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(files(&partial).len(), 3);
        assert_eq!(again.sweep().await.expect("swept"), 1);
        go.send(()).expect("the writer waits");
    };
    let (size, ()) = tokio::join!(put, sweep);
    assert_eq!(size.expect("stored"), 1_000_007);
    assert_eq!(storage.head(&working).await.expect("there").size, 1_000_007);
    assert_eq!(files(&partial).len(), 1);
    std::fs::remove_file(partial.join("notes.txt")).expect("is there");
    storage.check(&[]).await.expect("is well");
    assert_eq!(files(&partial), BTreeSet::new(), "to ask leaves nothing");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| {
            std::fs::metadata(folder.path().join("data").join(path)).expect("is there").permissions().mode() & 0o777
        };
        assert_eq!(mode("datasets/org_5/raw/slow.csv"), 0o600);
        for path in ["", "datasets", "datasets/org_5", "datasets/org_5/raw", ".partial"] {
            assert_eq!(mode(path), 0o700, "{path}");
        }
    }
    std::fs::remove_dir_all(folder.path().join("data/utils")).expect("is removed");
    assert_eq!(kind(storage.check(&[]).await), StorageErrorKind::NotFound);
    // Keys are paths: a folder is no object, and an object no folder.
    assert_eq!(kind(storage.get(&at("org_5/raw")).await), StorageErrorKind::NotFound);
    assert_eq!(kind(storage.get(&at("org_5/raw/slow.csv/x")).await), StorageErrorKind::NotFound);
}

/// Short waits: the tests count tries, not time.
const QUICK: Backoff = Backoff { retries: 3, first: Duration::from_millis(5), longest: Duration::from_millis(1500) };

fn supabase(standin: &Standin, key: &str) -> Supabase {
    let config = SupabaseConfig { backoff: QUICK, ..SupabaseConfig::new(&standin.url, key) };
    Supabase::new(&config).expect("a client")
}

#[tokio::test]
async fn supabase_with_both_kinds_of_keys() {
    for key in [SERVICE_TOKEN, SECRET_KEY] {
        let standin = Standin::start(0).await.expect("the stand-in");
        let storage = supabase(&standin, key);
        keeps_the_promises(&storage).await;
        let (_, content_type) = standin.objects().into_iter().next().expect("objects");
        assert_eq!(content_type, "text/csv");
        // What was broken is taken back.
        for _ in 0..100 {
            if standin.unfinished() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert_eq!(standin.unfinished(), 0);
    }
}

/// To ask whether it works changes nothing: not even a bucket is made.
#[tokio::test]
async fn supabase_is_checked_without_a_change() {
    let standin = Standin::start(0).await.expect("the stand-in");
    let storage = supabase(&standin, SECRET_KEY);
    let error = storage.check(&[]).await.expect_err("no buckets yet");
    assert!(error.kind() == StorageErrorKind::Denied && error.to_string().contains("\"datasets\""), "{error}");
    assert_eq!(standin.requests("POST"), 0);
    storage.prepare().await.expect("prepared");
    storage.check(&[]).await.expect("is well");

    standin.publish("utils", true);
    let error = storage.check(&[]).await.expect_err("a public bucket");
    assert_eq!(error.code(), "storage_public");
    assert!(error.to_string().contains("\"utils\"") && error.to_string().contains("ALLOW_PUBLIC_BUCKETS"), "{error}");
    let config = SupabaseConfig { allow_public: true, ..SupabaseConfig::new(&standin.url, SECRET_KEY) };
    Supabase::new(&config).expect("a client").check(&[]).await.expect("is meant");
    standin.publish("utils", false);

    // The key is changed in the project: each of its kinds of refusal is told as one.
    for fault in [Fault::Status(401, None), Fault::InBody(401), Fault::Status(403, None), Fault::InBody(403)] {
        standin.fault("GET /bucket", fault);
        assert_eq!(kind(storage.check(&[]).await), StorageErrorKind::Denied, "{fault:?}");
    }
    for fault in [Fault::Status(507, None), Fault::InBody(507)] {
        standin.fault("POST /object/datasets/", fault);
        assert_eq!(
            kind(put_bytes(&storage, &at("org_1/raw/a.csv"), "text/csv", "x").await),
            StorageErrorKind::Full,
            "{fault:?}"
        );
    }
    assert_eq!(standin.faults_left(), 0);
}

#[tokio::test]
async fn a_storage_that_is_away_is_not_asked_by_everybody() {
    let standin = Standin::start(0).await.expect("the stand-in");
    let backoff = Backoff { retries: 0, ..Backoff::default() };
    let config = SupabaseConfig { backoff, ..SupabaseConfig::new(&standin.url, SERVICE_TOKEN) };
    let storage = Breaker::new(Arc::new(Supabase::new(&config).expect("a client")));
    storage.prepare().await.expect("prepared");
    let (at, content) = (at("org_1/raw/a.csv"), noise(1000));
    write(&storage, &at, &content).await;
    // What is refused is an answer.
    assert_eq!(kind(storage.get(&Location::dataset("1", "none").expect("a place")).await), StorageErrorKind::NotFound);
    assert!(!storage.is_away());
    standin.fault("GET /object/authenticated/", Fault::Status(503, None));
    assert_eq!(kind(storage.get(&at).await), StorageErrorKind::Unavailable);
    assert!(storage.is_away());
    standin.requests("");
    for _ in 0..100 {
        let error = storage.get(&at).await.expect_err("nobody asks");
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
        assert!(error.retry_after().is_some_and(|wait| wait <= Duration::from_secs(1)));
    }
    assert_eq!(standin.requests(""), 0);
    // After a second one tries; it fails, and the pause doubles.
    standin.fault("GET /object/authenticated/", Fault::Status(503, None));
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(kind(storage.get(&at).await), StorageErrorKind::Unavailable);
    assert_eq!(standin.requests("GET /object/"), 1);
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert_eq!(kind(storage.get(&at).await), StorageErrorKind::Unavailable);
    assert_eq!(standin.requests(""), 0);
    tokio::time::sleep(Duration::from_millis(1050)).await;
    assert!(read(&storage, &at).await == content);
    assert!(!storage.is_away());
}

#[tokio::test]
async fn supabase_passing_failures_are_met_with_patience() {
    let standin = Standin::start(0).await.expect("the stand-in");
    let storage = supabase(&standin, SERVICE_TOKEN);
    storage.prepare().await.expect("prepared");
    let (at, content) = (at("org_1/raw/a.csv"), noise(LONG));
    let small = content.slice(..1000);
    let passing =
        [Fault::Status(503, None), Fault::Status(429, Some(0)), Fault::InBody(544), Fault::Ignored, Fault::Unanswered];
    // Each of them, and three in a row, which is as many as are borne.
    for faults in passing.iter().map(std::slice::from_ref).chain([&passing[..3], &passing[2..]]) {
        for (request, content) in [
            ("POST /object/datasets/", &small),
            ("GET /object/authenticated/", &small),
            ("HEAD /object/authenticated/", &small),
            ("POST /object/list/", &small),
            ("POST /upload/resumable", &content),
            ("PATCH /upload/resumable", &content),
        ] {
            faults.iter().for_each(|&fault| standin.fault(request, fault));
            write(&storage, &at, content).await;
            assert!(read(&storage, &at).await == *content, "{request} {faults:?}");
            // A HEAD whose answer needs a body is asked otherwise at once, so it meets the faults one by one.
            for _ in faults {
                assert_eq!(storage.head(&at).await.expect("there").size, content.len() as u64);
            }
            assert_eq!(storage.list(Bucket::Datasets, "org_1/").await.expect("a list").len(), 1);
            assert_eq!(standin.faults_left(), 0, "{request} {faults:?}");
            assert!(storage.delete(&at).await.expect("deleted"));
        }
    }
    // Four are one too many; nothing half done remains, and the wait that was asked for is told.
    for request in ["POST /object/datasets/", "POST /upload/resumable", "PATCH /upload/resumable"] {
        let content = if request.contains("datasets") { &small } else { &content };
        for _ in 0..4 {
            standin.fault(request, Fault::Status(503, Some(1)));
        }
        let error = storage.put(&at, "text/csv", pieces(content).boxed(), MAX).await.expect_err("an unhappy server");
        assert_eq!((error.kind(), error.retry_after()), (StorageErrorKind::Unavailable, Some(Duration::from_secs(1))));
        assert_eq!(kind(storage.head(&at).await), StorageErrorKind::NotFound);
        assert_eq!(standin.faults_left(), 0);
    }
    // What cannot pass is not tried again.
    standin.requests("");
    assert_eq!(kind(storage.get(&at).await), StorageErrorKind::NotFound);
    assert_eq!(standin.requests("GET /object/authenticated/"), 1);
    // A server that is not there.
    let gone = standin.url.clone();
    drop(standin);
    let config = SupabaseConfig { backoff: QUICK, ..SupabaseConfig::new(gone, SERVICE_TOKEN) };
    assert_eq!(kind(Supabase::new(&config).expect("a client").get(&at).await), StorageErrorKind::Unavailable);
}

#[tokio::test]
async fn supabase_takes_up_what_broke_off() {
    let standin = Standin::start(0).await.expect("the stand-in");
    let storage = supabase(&standin, SECRET_KEY);
    storage.prepare().await.expect("prepared");
    let (at, content) = (at("org_1/raw/a.csv"), noise(LONG));
    // 20 MiB are 4 chunks of at most 6 MiB. Of the first, 1,000,001 bytes arrive, so 4 more follow; only what is missing.
    standin.fault("PATCH /upload/resumable", Fault::Takes(1_000_001));
    write(&storage, &at, &content).await;
    assert_eq!(standin.requests("PATCH"), 5);
    assert!(read(&storage, &at).await == content);

    // The answer to every chunk is lost once: the server is asked how far it got.
    assert!(storage.delete(&at).await.expect("deleted"));
    for _ in 0..2 {
        standin.fault("PATCH /upload/resumable", Fault::Unanswered);
    }
    write(&storage, &at, &content).await;
    assert!(read(&storage, &at).await == content);

    // An upload that the server has forgotten is begun anew.
    let forgetting = async {
        while standin.unfinished() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        standin.forget_uploads();
    };
    standin.fault("PATCH /upload/resumable", Fault::Status(500, Some(1)));
    tokio::join!(write(&storage, &at, &content), forgetting);
    assert!(read(&storage, &at).await == content);

    // A download that breaks is taken up where it broke, as often as it comes further.
    standin.requests("");
    for length in [5_000_000, 1, 4_000_000, 3, 2_000_000, 7] {
        standin.fault("GET /object/authenticated/", Fault::Gives(length));
    }
    assert!(read(&storage, &at).await == content);
    assert_eq!((standin.requests("GET /object/authenticated/"), standin.faults_left()), (7, 0));
    standin.fault("GET /object/authenticated/", Fault::Gives(100));
    let range = storage.get_range(&at, 1_000..2_000_000).await.expect("a range");
    assert!(range.bytes(MAX).await.expect("its bytes") == content.slice(1_000..2_000_000));
}

/// The last answer is lost, and nobody can tell the new object from the old one by its size: it is sent again.
#[tokio::test]
async fn supabase_never_takes_the_old_object_for_the_new_one() {
    let standin = Standin::start(0).await.expect("the stand-in");
    let storage = supabase(&standin, SECRET_KEY);
    storage.prepare().await.expect("prepared");
    let at = at("org_1/raw/a.csv");
    let (old, new) = (noise(7 << 20), noise((7 << 20) + 1).slice(1..));
    write(&storage, &at, &old).await;
    standin.requests("");
    // The second chunk of the first try is the last.
    standin.fault("PATCH /upload/resumable/", Fault::Status(503, None));
    standin.fault("PATCH /upload/resumable/", Fault::Unanswered);
    standin.fault("PATCH /upload/resumable/", Fault::Unanswered);
    write(&storage, &at, &new).await;
    assert!(read(&storage, &at).await == new);
    assert_eq!(standin.requests("POST /upload/resumable"), 2);
}

#[tokio::test]
async fn supabase_refusals_say_what_to_do() {
    let standin = Standin::start(0).await.expect("the stand-in");
    for key in [ANON_TOKEN, PUBLISHABLE_KEY] {
        let error = supabase(&standin, key).prepare().await.expect_err("no right to create buckets");
        assert_eq!(error.code(), "storage_denied");
        let words = error.to_string();
        assert!(words.contains("service key") && words.contains("datasets") && words.contains("row-level"), "{words}");
    }
    for key in ["eyJ.wrong.token", "sb_secret_wrong"] {
        assert_eq!(kind(supabase(&standin, key).prepare().await), StorageErrorKind::Denied);
    }
    let storage = supabase(&standin, SECRET_KEY);
    storage.prepare().await.expect("prepared");
    let (at, content) = (at("org_1/raw/a.csv"), noise(LONG));
    let error = put_bytes(&supabase(&standin, ANON_TOKEN), &at, "text/csv", "x").await.expect_err("no right to write");
    assert!(error.kind() == StorageErrorKind::Denied && error.to_string().contains("service key"), "{error}");
    // Two servers that start at once.
    let (one, other) = (supabase(&standin, SECRET_KEY), supabase(&standin, SERVICE_TOKEN));
    let (one, other) = tokio::join!(one.prepare(), other.prepare());
    one.and(other).expect("both prepared");

    standin.limit("datasets", Some(5_000_000), Some(vec!["text/csv".to_owned()]));
    assert_eq!(
        kind(put_bytes(&storage, &at, "text/csv", content.slice(..5_500_000)).await),
        StorageErrorKind::TooLarge
    );
    assert_eq!(kind(storage.put(&at, "text/csv", pieces(&content).boxed(), MAX).await), StorageErrorKind::TooLarge);
    put_bytes(&storage, &at, "text/csv", "an allowed type").await.expect("stored");
    let error = put_bytes(&storage, &at, "text/csv; charset=utf-8", "x").await.expect_err("another type");
    assert_eq!(error.code(), "storage_type_refused");
    assert!(error.to_string().contains("415") && error.to_string().contains("InvalidMimeType"), "{error}");

    for (url, key) in
        [("ftp://x", "k"), ("nonsense", "k"), ("", "k"), ("https://x.supabase.co", ""), ("http://x", "k\n")]
    {
        assert!(Supabase::new(&SupabaseConfig::new(url, key)).is_err(), "{url} {key:?}");
    }
}

fn s3(endpoint: &str, secret: &str, prefix: &str) -> S3 {
    let config = S3Config {
        endpoint: Some(endpoint.to_owned()),
        region: "eu-central-1".to_owned(),
        access_key_id: "name".to_owned(),
        secret_access_key: secret.to_owned(),
        bucket_prefix: prefix.to_owned(),
        allow_http: true,
        allow_public: false,
        backoff: QUICK,
    };
    S3::new(&config).expect("a client")
}

#[tokio::test]
async fn s3_over_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = s3_standin::start(folder.path(), "test-", true).await;
    let storage = s3(&endpoint, "secret", "test-");
    keeps_the_promises(&storage).await;
    let at = at("org_1/raw/known.csv");
    put_bytes(&storage, &at, "text/csv", "abc").await.expect("stored");
    storage.check(std::slice::from_ref(&at)).await.expect("is private");
    assert_eq!(kind(s3(&endpoint, "wrong", "test-").get(&at).await), StorageErrorKind::Denied);
    assert_eq!(kind(s3(&endpoint, "wrong", "test-").check(&[]).await), StorageErrorKind::Denied);
    let error = s3(&endpoint, "secret", "other-").prepare().await.expect_err("no bucket");
    assert!(error.to_string().contains("\"other-datasets\""), "{error}");
    let gone = s3("http://127.0.0.1:9", "secret", "test-");
    assert_eq!(kind(gone.get(&at).await), StorageErrorKind::Unavailable);
}

#[tokio::test]
async fn s3_that_everybody_can_read_is_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = s3_standin::start(folder.path(), "test-", false).await;
    let storage = s3(&endpoint, "secret", "test-");
    let at = at("org_1/raw/known.csv");
    put_bytes(&storage, &at, "text/csv", "abc").await.expect("stored");
    let error = storage.check(std::slice::from_ref(&at)).await.expect_err("anybody may read it");
    assert_eq!(error.code(), "storage_public");
    assert!(
        error.to_string().contains("test-datasets") && error.to_string().contains("ALLOW_PUBLIC_BUCKETS"),
        "{error}"
    );
}

#[test]
fn keys_are_safe_in_every_backend() {
    for key in
        ["", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "ä", "a\\b", "a\0", "a%2e", "a?b", "a:b"]
    {
        assert_eq!(kind(Location::new(Bucket::Datasets, key)), StorageErrorKind::InvalidKey, "{key:?}");
    }
    assert_eq!(kind(Location::new(Bucket::Datasets, "x".repeat(201))), StorageErrorKind::InvalidKey);
    assert_eq!(kind(Location::new(Bucket::Datasets, ["x"; 451].join("/"))), StorageErrorKind::InvalidKey);
    for id in ["", "a/b", "../x", "x y", ".."] {
        assert!(Location::dataset(id, "d").is_err() && Location::dataset("o", id).is_err(), "{id:?}");
        assert!(Location::model(id, "m").is_err() && Location::features(id, "m").is_err(), "{id:?}");
    }
    for (location, text) in [
        (Location::dataset("7", "u-1"), "datasets/org_7/raw/u-1.csv"),
        (Location::features("7", "u-1"), "utils/org_7/features/features_u-1.csv"),
        (Location::predictions("7", "u-1"), "utils/org_7/predictions/predictions_u-1.csv"),
        (Location::model("7", "u-1"), "models/7/u-1.json"),
    ] {
        let location = location.expect("a location");
        assert_eq!(location.to_string(), text);
        assert_eq!(text.parse::<Location>().expect("a location"), location);
    }
    for text in ["", "datasets", "datasets/", "other/x", "datasets/../models/x"] {
        assert!(text.parse::<Location>().is_err(), "{text:?}");
    }
}

/// The codes are part of the interface.
#[test]
fn error_codes_are_unique() {
    let codes: BTreeSet<&str> = StorageErrorKind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(codes.len(), StorageErrorKind::ALL.len());
    assert!(codes.iter().all(|code| code.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')));
}
