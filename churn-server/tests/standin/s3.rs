//! A server for S3 over a folder, of the s3s-fs crate: it checks signatures as the real one does, or lets everybody in.

use std::path::Path;

use churn_server::storage::Bucket;

/// The name and the secret of its key.
pub(crate) const KEY: (&str, &str) = ("name", "secret");

/// A policy that lets requests without a signature do everything.
struct Everybody;

#[async_trait::async_trait]
impl s3s::access::S3Access for Everybody {
    async fn check(&self, _: &mut s3s::access::S3AccessContext<'_>) -> s3s::S3Result<()> {
        Ok(())
    }
}

/// Starts it with the three buckets, and returns its address. It ends with the runtime.
pub(crate) async fn start(folder: &Path, prefix: &str, private: bool) -> String {
    for bucket in Bucket::ALL {
        std::fs::create_dir_all(folder.join(format!("{prefix}{bucket}"))).expect("a bucket");
    }
    let mut service = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).expect("a file system"));
    service.set_auth(s3s::auth::SimpleAuth::from_single(KEY.0, KEY.1));
    if !private {
        service.set_access(Everybody);
    }
    let service = service.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                // A connection that breaks is the client's.
                let _ = builder.serve_connection(hyper_util::rt::TokioIo::new(socket), service).await;
            });
        }
    });
    endpoint
}
