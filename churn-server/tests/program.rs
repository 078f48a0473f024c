//! The program as it is started: what it prints, refuses and survives.
#![cfg(unix)]
#![allow(missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const BASE: &str = "/api/v1/churn/v2";
const SECRET: &str = "a secret of the tests, which is long enough";

/// The program in a folder of its own, with these variables and no others.
fn program(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_churn-server"));
    command.current_dir(folder).env_clear().envs(variables.iter().copied());
    command
}

fn run(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    program(folder, variables).args(arguments).output().expect("runs")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("is text").trim().to_owned()
}

/// A running server; killed when it is dropped.
struct Server {
    child: Child,
    address: String,
    welcome: String,
}

impl Server {
    fn start(folder: &Path, variables: &[(&str, &str)]) -> Server {
        let variables = [variables, &[("PORT", "0")]].concat();
        let mut child = program(folder, &variables).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
        let mut welcome = String::new();
        // The last thing that it says is the end of the example of a prediction.
        while !welcome.contains("\"transactions\"") {
            let line = lines.next().expect("says more before it ends").expect("is text");
            welcome += &line;
            welcome.push('\n');
        }
        let address = welcome.lines().next().and_then(|line| line.rsplit_once("http://")).expect("says where it is").1;
        Server { address: address.to_owned(), child, welcome }
    }

    /// Status and body of the answer to a request of HTTP/1.1.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("listens");
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
            .expect("takes the request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a head");
        (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("has a status"), body.to_owned())
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("runs");
        assert!(done.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn without_settings_it_serves_this_machine_and_says_what_to_try() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(folder.path(), &[]);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    assert!(server.welcome.contains("No SECRET_KEY"), "{}", server.welcome);
    for step in ["upload-dataset", "process-features", "train?model_type=", "training-status", "predict", "/docs"] {
        assert!(server.welcome.contains(step), "{step} is not in {}", server.welcome);
    }
    assert_eq!(server.ask("GET", "/healthz", "", "").0, 200);
    assert_eq!(server.ask("GET", "/", "", "").0, 200);
    assert!(folder.path().join("churn-data/churn.db").is_file());
    server.signal("-TERM");
    assert!(server.child.wait().expect("ends").success());
}

#[test]
fn it_does_not_open_to_others_without_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    for (variables, named) in [
        (&[("HOST", "0.0.0.0")][..], "SECRET_KEY"),
        (&[("SECRET_KEY", "too short")], "SECRET_KEY"),
        (&[("PORT", "many")], "PORT"),
        (&[("DATABASE_URL", "mysql://somewhere")], "database"),
        // With the first letters of a known name, and not one of them.
        (&[("DATABSE_URL", "postgres://somewhere")], "DATABASE_URL"),
        (&[("STORAGE_PREFIX", "../x")], "STORAGE_PREFIX"),
    ] {
        let output = run(folder.path(), variables, &["serve"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(named), "{variables:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn tokens_and_keys_of_the_command_line_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let locked = [("SECRET_KEY", SECRET)];
    let token = printed(&run(folder.path(), &locked, &["token", "acme", "--role", "read"]));
    let key = printed(&run(folder.path(), &locked, &["key", "acme", "--role", "write"]));
    assert!(!run(folder.path(), &[], &["token", "acme"]).status.success());
    assert!(!run(folder.path(), &locked, &["token", "a/b"]).status.success());
    let server = Server::start(folder.path(), &locked);
    let session = format!("{BASE}/session");
    assert_eq!(server.ask("GET", &session, "", "").0, 401);
    for (opens, role) in [(&token, "read"), (&key, "write")] {
        let (status, body) = server.ask("GET", &session, &format!("authorization: Bearer {opens}\r\n"), "");
        let body: Value = serde_json::from_str(&body).expect("is JSON");
        assert_eq!((status, &body["organization_id"], &body["role"]), (200, &"acme".into(), &role.into()));
    }
}

#[test]
fn the_description_can_be_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let openapi: Value = serde_json::from_str(&printed(&run(folder.path(), &[], &["openapi"]))).expect("is JSON");
    let five = ["upload-dataset", "datasets/{dataset_id}/process-features", "train", "training-status", "predict"];
    for path in five {
        assert!(openapi["paths"].get(format!("{BASE}/organizations/{{org_id}}/{path}")).is_some(), "{path}");
    }
    // Nothing was made on the way.
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn what_was_accepted_is_there_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let csv = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nbert,2024-01-06,3\n";
    let form = format!(
        "--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"log.csv\"\r\n\r\n{csv}\r\n--edge--\r\n"
    );
    let header = "content-type: multipart/form-data; boundary=edge\r\n";
    let (status, body) = server.ask("POST", &format!("{BASE}/organizations/acme/upload-dataset"), header, &form);
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("is JSON");
    server.signal("-KILL");
    drop(server);

    let server = Server::start(folder.path(), &[]);
    let id = answer["dataset_id"].as_str().expect("an id");
    let (status, body) = server.ask("GET", &format!("{BASE}/organizations/acme/datasets/{id}/file"), "", "");
    assert_eq!((status, body.as_str()), (200, csv));
}

/// Everything that it makes is for its user alone.
#[test]
fn nobody_else_can_read_what_it_keeps() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let csv = "customer_id,event_date,amount\nanna,2024-01-05,12.50\n";
    let form =
        format!("--edge\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n{csv}\r\n--edge--\r\n");
    let header = "content-type: multipart/form-data; boundary=edge\r\n";
    let (status, body) = server.ask("POST", &format!("{BASE}/organizations/acme/upload-dataset"), header, &form);
    assert_eq!(status, 200, "{body}");
    // The link is one of the API, and gives the file.
    let answer: Value = serde_json::from_str(&body).expect("is JSON");
    let url = answer["file_url"].as_str().expect("a URL");
    assert!(url.starts_with(BASE), "{url}");
    assert_eq!(server.ask("GET", url, "", ""), (200, csv.to_owned()));

    let mut seen = Vec::new();
    let mut folders = vec![folder.path().join("churn-data")];
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
                seen.push(entry.file_name().into_string().expect("is text"));
            }
        }
    }
    for name in ["churn.db", "churn.db-wal", "churn.db-shm", "churn.installation"] {
        assert!(seen.iter().any(|seen| seen == name), "{name} is not among {seen:?}");
    }
}

#[test]
fn sqlite_is_for_one_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let refused = run(folder.path(), &[("PORT", "0")], &["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("another churn-server") && said.contains("DATABASE_URL"),
        "{said}"
    );
    // Other commands may be used beside it, and it goes on.
    printed(&run(folder.path(), &[], &["key", "acme"]));
    assert!(printed(&run(folder.path(), &[], &["sweep", "--dry-run"])).contains("0 files would be removed"));
    assert_eq!(server.ask("GET", "/readyz", "", "").0, 200);
    server.signal("-KILL");
    drop(server);
    Server::start(folder.path(), &[]);
}

#[test]
fn a_storage_is_taken_over_by_command_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, other) = (folder.path().join("data"), folder.path().join("other.db"));
    let database = format!("sqlite:{}", other.display());
    let first = [("DATA_DIR", data.to_str().expect("is text"))];
    let second = [first[0], ("DATABASE_URL", database.as_str())];
    drop(Server::start(folder.path(), &first));
    let refused = run(folder.path(), &[second.as_slice(), &[("PORT", "0")]].concat(), &["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("churn-server adopt") && said.contains("STORAGE_PREFIX"),
        "{said}"
    );
    let dry = run(folder.path(), &second, &["sweep", "--dry-run"]);
    assert!(!dry.status.success() && String::from_utf8_lossy(&dry.stderr).contains("would remove nothing"));
    assert!(printed(&run(folder.path(), &second, &["adopt"])).contains("belongs to this database now"));
    drop(Server::start(folder.path(), &second));
    let refused = run(folder.path(), &[first.as_slice(), &[("PORT", "0")]].concat(), &["serve"]);
    assert!(!refused.status.success());
}

#[test]
fn a_database_is_moved_by_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path(), &[]);
    let organization = server.ask(
        "POST",
        &format!("{BASE}/organizations"),
        "content-type: application/json\r\n",
        "{\"organization_id\":\"acme\"}",
    );
    assert_eq!(organization.0, 201, "{}", organization.1);
    let moving = ["migrate-database", "--from", "sqlite:churn-data/churn.db", "--to", "sqlite:moved.db"];
    assert!(!run(folder.path(), &[], &moving).status.success(), "a server runs on it");
    server.signal("-KILL");
    drop(server);
    assert!(printed(&run(folder.path(), &[], &moving)).contains("organizations: 1 rows"));
    let server = Server::start(folder.path(), &[("DATABASE_URL", "sqlite:moved.db")]);
    assert_eq!(server.ask("GET", &format!("{BASE}/organizations/acme"), "", "").0, 200);
}
