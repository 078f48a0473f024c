//! A storage that fails: each cause has its own code and status, `/readyz` tells it, and asking changes nothing.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use churn_server::routes;
use churn_server::state::AppState;
use churn_server::storage::StorageConfig;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::places::{Place, sqlite};
use crate::s3_standin;
use crate::standin::Fault;

const CSV: &str = "customer_id,event_date,amount\nanna,2024-01-05,12.50\n";

async fn ask(state: &AppState, request: Request<Body>) -> (u16, Value) {
    let response = routes::app(state.clone()).oneshot(request).await.expect("answers");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("has a body").to_bytes();
    (status, serde_json::from_slice(&bytes).expect("is JSON"))
}

/// The present answer of `/readyz`, which repeats it for a second.
async fn ready(state: &AppState) -> (u16, Value) {
    tokio::time::sleep(Duration::from_millis(1050)).await;
    let (status, body) = ask(state, Request::get("/readyz").body(Body::empty()).expect("is a request")).await;
    assert_eq!(body["status"], if status == 200 { "ready" } else { "not_ready" }, "{body}");
    assert_eq!(body["database"], "ok", "{body}");
    (status, body["storage"].clone())
}

/// Status and code of an upload.
async fn upload(state: &AppState) -> (u16, Value) {
    let body = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{CSV}\r\n--edge--\r\n"
    );
    let request = Request::post("/api/v1/churn/v2/organizations/acme/upload-dataset")
        .header("content-type", "multipart/form-data; boundary=edge")
        .body(Body::from(body));
    let (status, body) = ask(state, request.expect("is a request")).await;
    (status, if status == 200 { Value::Null } else { body["code"].clone() })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_cause_has_its_code_and_readiness_tells_it() {
    let place = Place::supabase().await;
    let standin = place.standin.as_ref().expect("is the stand-in");
    let state = place.start(&sqlite(&place.folder, "churn")).await.expect("starts");
    assert_eq!(upload(&state).await, (200, Value::Null));
    assert_eq!(ready(&state).await, (200, json!("ok")));

    // The key was changed in the project, or has lost its rights.
    for status in [401, 403] {
        standin.fault("POST /object/datasets/", Fault::InBody(status));
        assert_eq!(upload(&state).await, (502, json!("storage_denied")), "{status}");
        standin.fault("GET /bucket", Fault::InBody(status));
        assert_eq!(ready(&state).await, (503, json!("storage_denied")), "{status}");
    }
    standin.fault("POST /object/datasets/", Fault::InBody(507));
    assert_eq!(upload(&state).await, (507, json!("storage_full")));
    // Nothing else has shown yet that there is room again.
    assert_eq!(ready(&state).await, (503, json!("storage_full")));
    assert_eq!(upload(&state).await, (200, Value::Null));
    assert_eq!(ready(&state).await, (200, json!("ok")));

    standin.limit("datasets", None, Some(vec!["application/zip".to_owned()]));
    assert_eq!(upload(&state).await, (415, json!("storage_type_refused")));
    assert_eq!(ready(&state).await, (503, json!("storage_type_refused")));
    standin.limit("datasets", Some(CSV.len() as u64 - 1), None);
    assert_eq!(upload(&state).await, (413, json!("payload_too_large")));
    standin.limit("datasets", None, None);
    // Nobody uploads to a server that is not ready: it looks for itself whether the storage takes files again.
    let sweeping = tokio::spawn(churn_server::sweep::keep_sweeping(state.clone()));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ready(&state).await, (200, json!("ok")));
    state.shutdown.cancel();
    sweeping.await.expect("ends");
    assert_eq!(standin.faults_left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_makes_no_bucket() {
    let place = Place::supabase().await;
    let standin = place.standin.as_ref().expect("is the stand-in");
    let state = place.start(&sqlite(&place.folder, "churn")).await.expect("starts");
    assert!(standin.remove_bucket("utils"));
    standin.requests("");
    assert_eq!(ready(&state).await, (503, json!("storage_denied")));
    assert_eq!(standin.requests("POST"), 0);
    assert!(!standin.remove_bucket("utils"), "it was made anew");

    // Many who ask at once ask the storage once.
    tokio::time::sleep(Duration::from_millis(1050)).await;
    let asked = (0..50).map(|_| ask(&state, Request::get("/readyz").body(Body::empty()).expect("is a request")));
    assert!(futures_util::future::join_all(asked).await.iter().all(|(status, _)| *status == 503));
    assert_eq!(standin.requests("GET /bucket"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_gone_are_noticed() {
    let place = Place::folder();
    let state = place.start(&sqlite(&place.folder, "churn")).await.expect("starts");
    assert_eq!(ready(&state).await, (200, json!("ok")));
    // As a disk that is not mounted: the folders are there, and empty.
    let StorageConfig::Local { folder } = &place.config else { panic!("is a folder") };
    let aside = place.folder.path().join("aside");
    std::fs::rename(folder, &aside).expect("is moved");
    for bucket in ["datasets", "utils", "models"] {
        std::fs::create_dir_all(folder.join(bucket)).expect("is made");
    }
    assert_eq!(ready(&state).await, (503, json!("storage_not_ours")));
    std::fs::remove_dir_all(folder).expect("is removed");
    std::fs::rename(aside, folder).expect("is moved back");
    assert_eq!(ready(&state).await, (200, json!("ok")));
}

#[tokio::test(flavor = "multi_thread")]
async fn public_buckets_are_refused() {
    let supabase = Place::supabase().await;
    let standin = supabase.standin.as_ref().expect("is the stand-in");
    let database = sqlite(&supabase.folder, "churn");
    let state = supabase.start(&database).await.expect("starts");
    standin.publish("datasets", true);
    assert_eq!(ready(&state).await, (503, json!("storage_public")));
    let said = supabase.start(&database).await.expect_err("is refused");
    assert!(said.contains("\"datasets\"") && said.contains("ALLOW_PUBLIC_BUCKETS"), "{said}");

    let s3 = Place::s3().await;
    let open_to_all = tempfile::TempDir::new().expect("a folder");
    let StorageConfig::S3(config) = &s3.config else { panic!("is S3") };
    let endpoint = Some(s3_standin::start(open_to_all.path(), "", false).await);
    let mut config = config.clone();
    config.endpoint = endpoint;
    let mut place = Place { config: StorageConfig::S3(config.clone()), folder: open_to_all, standin: None };
    let database = sqlite(&place.folder, "churn");
    let said = place.start(&database).await.expect_err("is refused");
    assert!(said.contains("\"datasets\"") && said.contains("ALLOW_PUBLIC_BUCKETS"), "{said}");
    config.allow_public = true;
    place.config = StorageConfig::S3(config);
    let state = place.start(&database).await.expect("is meant");
    assert_eq!(ready(&state).await, (200, json!("ok")));
}

/// A disk of its own that is small, where the tests may mount one.
#[cfg(target_os = "linux")]
mod disk {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    pub(super) struct SmallDisk(PathBuf);

    fn run(program: &str, arguments: &[&str]) -> bool {
        Command::new(program)
            .args(arguments)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    impl SmallDisk {
        pub(super) fn mount(folder: &Path) -> Option<SmallDisk> {
            std::fs::create_dir_all(folder).expect("is made");
            let at = folder.to_str().expect("is text");
            run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs", at]).then(|| SmallDisk(folder.to_owned()))
        }

        pub(super) fn read_only(&self, read_only: bool) {
            let option = if read_only { "remount,ro" } else { "remount,rw" };
            assert!(run("mount", &["-o", option, self.0.to_str().expect("is text")]));
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            run("umount", &["-l", self.0.to_str().expect("is text")]);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a test that does not run must say so")]
async fn a_full_disk_is_not_ready() {
    let place = Place::folder();
    let StorageConfig::Local { folder } = &place.config else { panic!("is a folder") };
    let Some(disk) = disk::SmallDisk::mount(folder) else {
        eprintln!("skipped: a small disk cannot be mounted here");
        return;
    };
    let state = place.start(&sqlite(&place.folder, "churn")).await.expect("starts");
    assert_eq!(upload(&state).await, (200, Value::Null));
    // All but less than a probe needs.
    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).expect("is made");
    while std::io::Write::write(&mut file, &[0; 4096]).is_ok_and(|written| written > 0) {}
    assert_eq!(upload(&state).await, (507, json!("storage_full")));
    assert_eq!(ready(&state).await, (503, json!("storage_full")));
    // It starts all the same, for those who only read.
    drop(state);
    let state = place.start(&sqlite(&place.folder, "churn")).await.expect("starts");
    assert_eq!(ready(&state).await, (503, json!("storage_full")));
    drop(file);
    std::fs::remove_file(&filler).expect("is removed");
    assert_eq!(upload(&state).await, (200, Value::Null));
    assert_eq!(ready(&state).await, (200, json!("ok")));
    disk.read_only(true);
    assert_eq!(upload(&state).await, (502, json!("storage_denied")));
    assert_eq!(ready(&state).await, (503, json!("storage_denied")));
    disk.read_only(false);
    assert_eq!(upload(&state).await, (200, Value::Null));
}
