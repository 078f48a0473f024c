//! No file is lost, whichever databases meet on a storage and whatever the clock says.

use churn_server::state::AppState;
use churn_server::storage::{Bucket, Location, put_bytes};
use futures_util::StreamExt;

use crate::databases::Postgres;
use crate::places::{ORG, Place, YEAR, accept, move_clock, path, sql, sqlite, sweep, upload, write};

/// A refusal names a way out.
fn says_what_to_do(refused: Result<AppState, String>) -> String {
    let said = refused.expect_err("is refused");
    assert!(said.contains("churn-server adopt") && said.contains("STORAGE_PREFIX"), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_database_takes_nothing() {
    for place in Place::all().await {
        let production = place.start(&sqlite(&place.folder, "production")).await.expect("starts");
        let kept = [upload(&production).await, upload(&production).await];
        // Somebody else's file in the same bucket, and one that production is just writing.
        let foreign = Location::new(Bucket::Datasets, "somebody/else.csv").expect("a place");
        put_bytes(&*place.raw(), &foreign, "text/csv", "theirs").await.expect("is stored");
        let (_, under_way) = write(&production).await;
        let mut there: Vec<String> = kept.iter().chain([&foreign, &under_way]).map(ToString::to_string).collect();
        there.sort();

        let second = sqlite(&place.folder, "second");
        let said = says_what_to_do(place.start(&second).await);
        assert!(said.contains("another installation"), "{said}");
        // One that starts in spite of that.
        let forced = AppState::connect(place.settings(&second, "")).await.expect("connects");
        assert_eq!(sweep(&forced).await.expect_err("is not its own").code(), "storage_not_ours");
        for at in kept.iter().chain([&foreign, &under_way]) {
            assert!(!forced.storage.delete(at).await.expect("answers"), "{at} is not on its record");
        }
        // Even what it has on record by a strange chance.
        assert!(forced.store.record_file(&kept[0].to_string()).await.expect("is on record"));
        assert_eq!(forced.storage.delete(&kept[0]).await.expect_err("is not its own").code(), "storage_not_ours");
        assert_eq!(sweep(&forced).await.expect_err("is not its own").code(), "storage_not_ours");
        assert_eq!(place.objects().await, there);

        // Below a prefix it is at home, and there alone.
        let staging = AppState::open(place.settings(&second, "staging/a")).await.expect("starts");
        sql(&staging, "DELETE FROM pending_files").await;
        let own = upload(&staging).await;
        let orphan = write(&staging).await.1;
        assert_eq!(sweep(&staging).await.expect("sweeps"), 1);
        let mut with_own = there.clone();
        with_own.push(format!("datasets/staging/a/{}", own.key()));
        with_own.sort();
        assert_eq!(place.objects().await, with_own);
        assert_eq!(staging.storage.list(Bucket::Datasets, "").await.expect("a list").len(), 1);
        assert!(staging.storage.head(&own).await.is_ok() && staging.storage.head(&orphan).await.is_err());

        // Production goes on, and takes its own orphan alone.
        assert_eq!(sweep(&production).await.expect("sweeps"), 1);
        with_own.retain(|key| *key != under_way.to_string());
        assert_eq!(place.objects().await, with_own);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_takes_no_storage_that_is_filled() {
    for place in Place::all().await {
        place.raw().prepare().await.expect("is prepared");
        let old = Location::dataset(ORG, "old").expect("a place");
        let model = Location::model(ORG, "old").expect("a place");
        for (at, content_type) in [(&old, "text/csv"), (&model, "application/json")] {
            put_bytes(&*place.raw(), at, content_type, "of an earlier version").await.expect("is stored");
        }
        let there = place.objects().await;
        let empty = sqlite(&place.folder, "empty");
        let said = says_what_to_do(place.start(&empty).await);
        assert!(said.contains("new"), "{said}");
        assert_eq!(place.objects().await, there);

        let adopting = AppState::connect(place.settings(&empty, "")).await.expect("connects");
        adopting.files.adopt().await.expect("takes it over");
        let server = place.start(&empty).await.expect("starts");
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert_eq!(place.objects().await, there);
    }
}

/// As after an update from a version without markers: the database knows files, and the storage has no marker.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_of_before_is_marked_and_nothing_is_removed() {
    for place in Place::all().await {
        let database = sqlite(&place.folder, "churn");
        let server = place.start(&database).await.expect("starts");
        upload(&server).await;
        sql(&server, "DELETE FROM installation").await;
        for bucket in Bucket::ALL {
            let marker = Location::new(bucket, "churn.installation").expect("a place");
            assert!(place.raw().delete(&marker).await.expect("is removed"));
        }
        // What the earlier version has left stays, too: it is on nobody's record.
        let orphan = Location::dataset(ORG, "orphan").expect("a place");
        put_bytes(&*place.raw(), &orphan, "text/csv", "x").await.expect("is stored");
        let there = place.objects().await;
        assert_eq!(there.len(), 2);
        let server = place.start(&database).await.expect("starts");
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert_eq!(place.objects().await, there);
        says_what_to_do(place.start(&sqlite(&place.folder, "second")).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_takes_nothing() {
    for place in Place::all().await {
        let (database, backup) = (sqlite(&place.folder, "churn"), sqlite(&place.folder, "backup"));
        let server = place.start(&database).await.expect("starts");
        upload(&server).await;
        // At the moment of the backup an upload is under way; it is accepted afterwards, and another one comes.
        let (id, under_way) = write(&server).await;
        sql(&server, &format!("VACUUM INTO '{}'", path(&place.folder, "backup").display())).await;
        accept(&server, &id, &under_way).await.expect("is accepted");
        upload(&server).await;
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        let there = place.objects().await;
        assert_eq!(there.len(), 3);

        // A copy beside the server, or the backup in its place.
        let said = says_what_to_do(place.start(&backup).await);
        assert!(said.contains("backup"), "{said}");
        let forced = AppState::connect(place.settings(&backup, "")).await.expect("connects");
        move_clock(&forced, YEAR).await;
        assert_eq!(forced.files.pending().await.expect("a list").len(), 1, "the upload under way is on its record");
        assert_eq!(sweep(&forced).await.expect_err("has gone on").code(), "storage_not_ours");
        assert_eq!(place.objects().await, there);

        // Taken over, it forgets what was under way rather than to remove it.
        assert_eq!(forced.files.adopt().await.expect("takes it over").0, 1);
        let restored = place.start(&backup).await.expect("starts");
        assert_eq!(sweep(&restored).await.expect("sweeps"), 0);
        assert_eq!(place.objects().await, there);
        // The other one is refused from then on, without a loss.
        assert_eq!(sweep(&server).await.expect_err("has gone on").code(), "storage_not_ours");
        says_what_to_do(place.start(&database).await);
        assert_eq!(place.objects().await, there);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_place_is_noticed() {
    for (first, second) in Place::all().await.into_iter().zip(Place::all().await) {
        let database = sqlite(&first.folder, "churn");
        let server = first.start(&database).await.expect("starts");
        upload(&server).await;
        let there = first.objects().await;
        let said = says_what_to_do(second.start(&database).await);
        assert!(said.contains("DATA_DIR"), "{said}");
        says_what_to_do(AppState::open(first.settings(&database, "elsewhere")).await);
        assert!(second.objects().await.is_empty());
        let server = first.start(&database).await.expect("starts where it was");
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert_eq!(first.objects().await, there);
    }
}

/// The same on both databases; the storage does not matter here.
async fn databases(name: &str) -> (Vec<(Place, String)>, Option<Postgres>) {
    let place = Place::folder();
    let url = sqlite(&place.folder, name);
    let mut all = vec![(place, url)];
    let postgres = Postgres::start();
    if let Some(postgres) = &postgres {
        all.push((Place::folder(), postgres.create(name).await));
    }
    (all, postgres)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_loses_nothing() {
    let (all, _postgres) = databases("clock").await;
    for (place, database) in all {
        let server = place.start(&database).await.expect("starts");
        let accepted = upload(&server).await;
        // Its file is being written anew, as features are that are made again.
        put_bytes(&*server.storage, &accepted, "text/csv", "again").await.expect("is stored");
        move_clock(&server, YEAR).await;
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert_eq!(place.objects().await, [accepted.to_string()]);
        // The record is no more, so it cannot be mistaken for one later.
        assert!(server.files.pending().await.expect("a list").is_empty());

        // An upload under way fails, and is not accepted without its file; no row is left that refers to nothing.
        let (id, under_way) = write(&server).await;
        move_clock(&server, YEAR).await;
        assert_eq!(sweep(&server).await.expect("sweeps"), 1);
        let error = accept(&server, &id, &under_way).await.expect_err("was given up");
        assert_eq!((error.status().as_u16(), error.code()), (503, "unavailable"));
        assert_eq!(server.store.dataset(ORG, &id).await.expect_err("is none").code(), "dataset_not_found");

        // Backwards: nothing is old for a year, and then the clock is believed again.
        let (_, late) = write(&server).await;
        move_clock(&server, -YEAR).await;
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert!(server.storage.head(&late).await.is_ok());
        assert_eq!(sweep(&server).await.expect("sweeps"), 1);
        assert_eq!(place.objects().await, [accepted.to_string()]);
    }
}

/// A writer that stands still while its file is given up leaves no file that is not on record.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_leaves_no_orphan() {
    let (all, _postgres) = databases("slept").await;
    for (place, database) in all {
        let server = place.start(&database).await.expect("starts");
        let at = Location::dataset(ORG, "slow").expect("a place");
        let (go, wait) = tokio::sync::oneshot::channel::<()>();
        let body = futures_util::stream::once(async move {
            wait.await.expect("is told to go on");
            Ok(bytes::Bytes::from("late"))
        });
        let put = server.storage.put(&at, "text/csv", body.boxed(), 100);
        let meanwhile = async {
            while server.files.pending().await.expect("a list").is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(sweep(&server).await.expect("sweeps"), 0, "there is no file yet");
            assert!(server.files.pending().await.expect("a list").is_empty(), "it is given up");
            go.send(()).expect("the writer waits");
        };
        let (written, ()) = tokio::join!(put, meanwhile);
        assert_eq!(written.expect_err("took too long").code(), "storage_unavailable");
        assert_eq!(place.objects().await, [at.to_string()]);
        assert_eq!(sweep(&server).await.expect("sweeps"), 1);
        assert!(place.objects().await.is_empty());
    }
}

/// Sweeps and acceptances at the same time: a file is accepted and there, or neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_accepted_or_removed_and_never_both() {
    let (all, _postgres) = databases("race").await;
    for (place, database) in all {
        let server = place.start(&database).await.expect("starts");
        let (mut accepted, mut refused) = (Vec::new(), 0);
        for round in 0..30 {
            let (id, at) = write(&server).await;
            let taking = async {
                tokio::time::sleep(std::time::Duration::from_micros(400 * round)).await;
                accept(&server, &id, &at).await
            };
            let (taken, swept) = tokio::join!(taking, churn_server::sweep::sweep(&server));
            swept.expect("sweeps");
            match taken {
                Ok(()) => accepted.push(at.to_string()),
                Err(error) => {
                    assert_eq!(error.code(), "unavailable");
                    refused += 1;
                }
            }
        }
        sweep(&server).await.expect("sweeps");
        accepted.sort();
        assert_eq!(place.objects().await, accepted);
        assert_eq!(accepted.len() + refused, 30);
    }
}

/// Servers of one database draw tokens at the same time, and none is taken for a copy.
#[tokio::test(flavor = "multi_thread")]
async fn servers_of_one_database_share_the_storage() {
    let (all, _postgres) = databases("share").await;
    for (place, database) in all {
        let first = place.start(&database).await.expect("starts");
        let starts = futures_util::future::join_all((0..4).map(|_| place.start(&database))).await;
        let servers: Vec<AppState> = starts.into_iter().map(|started| started.expect("starts")).collect();
        let orphan = write(&first).await.1;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let sweeps = servers.iter().chain([&first]).map(churn_server::sweep::sweep);
        let swept: u64 =
            futures_util::future::join_all(sweeps).await.into_iter().map(|swept| swept.expect("sweeps")).sum();
        assert_eq!(swept, 1);
        assert!(first.storage.head(&orphan).await.is_err());
        first.files.check_owner().await.expect("is ours");
    }
}

/// A start that was cut short after the database had the next token, or after a part of the markers.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_cut_short_is_no_other_database() {
    for place in Place::all().await {
        let database = sqlite(&place.folder, "churn");
        let server = place.start(&database).await.expect("starts");
        let kept = upload(&server).await;
        server.store.set_next_token("the next one").await.expect("is kept");
        let server = place.start(&database).await.expect("starts");
        // Now one of the three markers has the next token already.
        let marker = Location::new(Bucket::Datasets, "churn.installation").expect("a place");
        let text = place.raw().get(&marker).await.expect("is there").bytes(10_000).await.expect("is small");
        server.store.set_next_token("another").await.expect("is kept");
        let row = server.store.installation().await.expect("a row");
        let token = row.token.expect("has one");
        let changed = String::from_utf8(text.to_vec()).expect("is text").replace(&token, "another");
        put_bytes(&*place.raw(), &marker, "text/csv", changed).await.expect("is stored");
        let server = place.start(&database).await.expect("starts");
        assert_eq!(sweep(&server).await.expect("sweeps"), 0);
        assert_eq!(place.objects().await, [kept.to_string()]);
    }
}
