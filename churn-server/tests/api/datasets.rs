//! Uploads and what becomes of them; and that nothing remains of what was refused.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use churn_server::storage::{Bucket, Location, put_bytes};
use churn_server::sweep::sweep;
use serde_json::json;

use crate::support::{BASE, CSV, Server};

/// The keys of all files.
pub(crate) async fn objects(server: &Server) -> Vec<String> {
    let mut all = Vec::new();
    for bucket in Bucket::ALL {
        let listed = server.state.storage.list(bucket, "").await.expect("lists");
        all.extend(listed.into_iter().map(|object| object.location.to_string()));
    }
    all
}

fn upload_path() -> String {
    format!("{BASE}/organizations/acme/upload-dataset")
}

#[tokio::test]
async fn an_upload_is_kept_byte_for_byte() {
    let server = Server::open().await;
    let answer = server.form(&upload_path(), "", &[("file", CSV)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = answer.json();
    let id = answer["dataset_id"].as_str().expect("an id");
    assert_eq!(answer["success"], true);
    assert_eq!(answer["row_count"], 3);
    assert_eq!(answer["status"], "uploaded");
    assert_eq!(answer["message"], "Dataset uploaded: 3 rows");
    assert!(answer["file_url"].as_str().is_some_and(|url| url.contains(id)));
    assert_eq!(objects(&server).await, [format!("datasets/org_acme/raw/{id}.csv")]);

    // The organization came into being with it.
    assert_eq!(server.get(&format!("{BASE}/organizations/acme")).await.json()["name"], "acme");
    let one = format!("{BASE}/organizations/acme/datasets/{id}");
    let dataset = server.get(&one).await.json();
    assert_eq!((&dataset["status"], &dataset["filename"]), (&json!("uploaded"), &json!("log.csv")));
    assert_eq!((&dataset["row_count"], &dataset["bytes"]), (&json!(3), &json!(CSV.len())));
    assert_eq!((&dataset["has_churn_label"], &dataset["error"]), (&json!(false), &json!(null)));
    let file = server.get(dataset["download_url"].as_str().expect("a path")).await;
    assert_eq!(file.text, CSV);
    assert_eq!(file.headers["content-type"], "text/csv");
    assert_eq!(server.get(&format!("{one}/features")).await.error(), (404, "features_not_found".to_owned()));

    let list = format!("{BASE}/organizations/acme/datasets");
    assert_eq!(server.get(&list).await.json()["datasets"], json!([dataset]));
    assert_eq!(server.get(&format!("{list}?status=error")).await.json()["total"], 0);
    assert_eq!(server.get(&format!("{list}?status=lost")).await.error(), (400, "invalid_query".to_owned()));

    assert_eq!(server.ask("DELETE", &one, "", None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&one).await.error(), (404, "dataset_not_found".to_owned()));
    assert!(objects(&server).await.is_empty());
}

#[tokio::test]
async fn lists_are_newest_first_and_in_pages() {
    let server = Server::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(server.uploaded("acme", "").await);
    }
    ids.reverse();
    let mut seen = Vec::new();
    for offset in 0..3 {
        let page = server.get(&format!("{BASE}/organizations/acme/datasets?limit=1&offset={offset}")).await.json();
        assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(3), &json!(1), &json!(offset)));
        seen.push(page["datasets"][0]["dataset_id"].as_str().expect("an id").to_owned());
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn labels_are_checked_wherever_the_form_says_so() {
    let server = Server::open().await;
    let labelled = "customer_id,event_date,churn_label\nanna,2024-01-05,1\nbert,2024-01-06,0\n";
    for truth in ["true", "True", "1"] {
        for fields in
            [[("has_churn_label", truth), ("file", labelled)], [("file", labelled), ("has_churn_label", truth)]]
        {
            let answer = server.form(&upload_path(), "", &fields).await;
            assert_eq!(answer.status, StatusCode::OK, "{fields:?} {}", answer.text);
        }
    }
    let kept = objects(&server).await.len();
    assert_eq!(kept, 6);
    for fields in [[("has_churn_label", "true"), ("file", CSV)], [("file", CSV), ("has_churn_label", "1")]] {
        let answer = server.form(&upload_path(), "", &fields).await;
        assert_eq!(answer.error(), (422, "missing_column".to_owned()), "{fields:?}");
    }
    let answer = server.form(&upload_path(), "", &[("has_churn_label", "maybe"), ("file", CSV)]).await;
    assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()));
    assert_eq!(objects(&server).await.len(), kept);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let server = Server::with(&[("MAX_UPLOAD_BYTES", "100000")]).await;
    let broken = "customer_id,event_date,amount\nanna,2024-01-05,1\nbert,2024-13-01,2\n";
    let answer = server.form(&upload_path(), "", &[("file", broken)]).await;
    assert_eq!(answer.error(), (422, "bad_rows".to_owned()));
    let details = &answer.json()["details"];
    assert_eq!((&details["line"], &details["bad"], &details["rows"]), (&json!(3), &json!(1), &json!(2)));
    assert_eq!(
        (&details["bad_rows"][0]["line"], &details["bad_rows"][0]["reason"]),
        (&json!(3), &json!("invalid_date"))
    );
    let inches = "customer_id,event_date,note\nanna,2024-01-05,\"TV 32\"\"\nbert,2024-01-06,\"TV 40\"\n";
    let answer = server.form(&upload_path(), "", &[("file", inches)]).await;
    assert_eq!(answer.error(), (422, "bad_rows".to_owned()));
    let row = &answer.json()["details"]["bad_rows"][0];
    assert_eq!((&row["line"], &row["reason"]), (&json!(2), &json!("text_after_quote")));
    assert!(answer.text.contains("line 2: text stands behind the closing quote"), "{}", answer.text);

    let long = format!("{CSV}{}", "anna,2024-01-05,12.50,purchase\n".repeat(5000));
    for (fields, status, code) in [
        (vec![("file", "")], 422, "empty_file"),
        (vec![("file", "customer,when\na,2024-01-01\n")], 422, "missing_column"),
        (vec![("file", "customer_id,event_date\n")], 422, "no_good_rows"),
        (vec![("file", "customer_id,event_date\na,\"2024-01-01\n")], 422, "unclosed_quote"),
        (vec![("file", long.as_str())], 413, "payload_too_large"),
        (vec![], 400, "invalid_multipart"),
        (vec![("has_churn_label", "true")], 400, "invalid_multipart"),
        (vec![("file", CSV), ("file", CSV)], 400, "invalid_multipart"),
        (vec![("file", CSV), ("has_churn_label", "perhaps")], 400, "invalid_parameter"),
        (vec![("file", CSV), ("has_churn_label", "true")], 422, "missing_column"),
    ] {
        let answer = server.form(&upload_path(), "", &fields).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{fields:?}");
    }

    let cut = "--edge\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\ncustomer_id,event_date\na,2024-01-01\n";
    // The file is whole, and what follows is not.
    let cut_later = "--edge\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\ncustomer_id,event_date\na,2024-01-01\n\r\n\
                     --edge\r\ncontent-disposition: form-data; name=\"has_churn_label\"\r\n\r\ntr";
    for (content_type, body, status) in [
        ("multipart/form-data; boundary=edge", cut, 400),
        ("multipart/form-data; boundary=edge", cut_later, 400),
        ("multipart/form-data; boundary=edge", "no form at all", 400),
        ("multipart/form-data", cut, 400),
        ("text/csv", CSV, 415),
        ("application/json", "{}", 415),
    ] {
        let request = Request::builder().method("POST").uri(upload_path()).header("content-type", content_type);
        let answer = server.send(request.body(Body::from(body)).expect("is a request")).await;
        assert_eq!(answer.error().0, status, "{content_type} {body:?} {}", answer.text);
    }
    assert!(objects(&server).await.is_empty());
    // Nor does an organization that nobody made.
    assert_eq!(server.get(&format!("{BASE}/organizations/acme")).await.error().0, 404);
}

#[tokio::test]
async fn settings_say_how_files_are_read() {
    let server = Server::open().await;
    let settings = json!({"read": {"columns": {"customer_id": "Customer", "event_date": "Date"}, "delimiter": ";",
        "date_format": "%d.%m.%Y", "on_bad_row": "skip", "max_bad_share": 0.5}});
    let body = json!({"organization_id": "acme", "settings": settings});
    assert_eq!(server.post(&format!("{BASE}/organizations"), body).await.status, StatusCode::CREATED);
    let csv = "Customer;Date\nanna;05.01.2024\nbert;2024-01-06\n";
    let answer = server.form(&upload_path(), "", &[("file", csv)]).await.json();
    assert_eq!(answer["row_count"], 2, "{answer}");
    let path = format!("{BASE}/organizations/acme/datasets/{}", answer["dataset_id"].as_str().expect("an id"));
    assert_eq!(server.get(&path).await.json()["bad_rows"], 1);
}

#[tokio::test]
async fn the_sweep_takes_orphans_and_nothing_else() {
    let server = Server::with(&[("ORPHAN_GRACE_SECONDS", "0")]).await;
    let id = server.uploaded("acme", "").await;
    let orphans = [
        Location::dataset("acme", "lost"),
        Location::features("acme", "lost"),
        Location::predictions("acme", "lost"),
        Location::model("acme", "lost"),
    ];
    for at in &orphans {
        let at = at.as_ref().expect("is a place");
        put_bytes(server.state.storage.as_ref(), at, "text/csv", "x").await.expect("is written");
    }
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(sweep(&server.state).await.expect("sweeps"), 4);
    assert_eq!(objects(&server).await, [format!("datasets/org_acme/raw/{id}.csv")]);

    // Young ones may still get their row.
    let patient = Server::open().await;
    let at = Location::dataset("acme", "young").expect("is a place");
    put_bytes(patient.state.storage.as_ref(), &at, "text/csv", "x").await.expect("is written");
    assert_eq!(sweep(&patient.state).await.expect("sweeps"), 0);
    assert_eq!(objects(&patient).await.len(), 1);
}
