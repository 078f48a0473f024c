//! Bulk prediction: the customers that are scored, and the limit on rows.

use churn::Day;
use serde_json::{Value, json};

use crate::support::Server;
use crate::work::{ended, events, log, org, ready, trained, work};

/// The log ends 399 days after day 19700, on day 20099; 365 days before that is day 19734.
#[tokio::test(flavor = "multi_thread")]
async fn customers_who_are_long_gone_are_left_out_unless_asked_for() {
    let server = Server::open().await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let day = |number| Day::new(number).expect("a day");
    assert_eq!(events().last_day(), day(20_099));
    let with = log() + &format!("gone,{},10\nalmost,{},10\n", day(19_734), day(19_735));
    let include: &[(&str, &str)] = &[("include_inactive", "true"), ("file", &with)];
    for (form, customers, code) in
        [(&[("file", with.as_str())][..], 201, "customers_left_out"), (include, 202, "customers_guessed")]
    {
        let sent = server.form(&org("/predict-bulk"), "", form).await.json();
        assert_eq!(ended(&server, &sent).await["status"], "completed");
        let batch = server.get(&org("/prediction-batches?limit=1")).await.json()["batches"][0].clone();
        assert_eq!((&batch["customers"], &batch["inactive_customers"]), (&json!(customers), &json!(1)), "{batch}");
        assert_eq!(batch["findings"][0]["code"], code, "{batch}");
        // That some are left out is a note; that some are guessed is a warning.
        let warnings = if code == "customers_guessed" { json!([batch["findings"][0]["message"]]) } else { json!([]) };
        assert_eq!(batch["warnings"], warnings);
        let found = async |id: &str| server.get(&org(&format!("/prediction-customers?search={id}"))).await.json();
        assert_eq!(found("almost").await["total"], 1);
        assert_eq!(found("gone").await["total"], customers - 201);
    }

    let only = format!("customer_id,event_date\ngone,{}\n", day(19_000));
    let sent = server.form(&org("/predict-bulk?as_of=2024-12-01"), "", &[("file", &only)]).await.json();
    let job = ended(&server, &sent).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("no_customers")), "{job}");

    let alone = json!({"customer_id": "gone", "transactions": [{"event_date": day(19_734)}], "as_of": day(20_099)});
    let answer = server.post(&org("/predict"), alone).await.json();
    assert!(answer["warnings"][0].as_str().expect("a warning").contains("a guess"), "{answer}");
    let still = json!({"customer_id": "almost", "transactions": [{"event_date": day(19_735)}], "as_of": day(20_099)});
    assert_eq!(server.post(&org("/predict"), still).await.json()["warnings"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_beyond_the_limit_are_kept_but_not_held_in_memory() {
    let rows = log().lines().count() - 1;
    let server = Server::with(&[("MAX_LOG_ROWS", &rows.to_string())]).await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let larger = ready(&server, &(log() + "c000,2024-06-01,5\n")).await;
    let train = org(&format!("/train?dataset_id={larger}"));
    let bulk = org(&format!("/predict-bulk?dataset_id={larger}"));
    for answer in [
        server.ask("POST", &train, "", None).await,
        server.ask("POST", &bulk, "", None).await,
        server.form(&org("/predict-bulk"), "", &[("file", &(log() + "c000,2024-06-01,5\n"))]).await,
    ] {
        assert_eq!(answer.error(), (413, "too_many_rows".to_owned()));
        assert_eq!(answer.json()["details"]["max_rows"], json!(rows));
    }
}
