//! `supabase_standin PORT`: the stand-in as a program, for tests that start the server. It says its address on the first line.

#[path = "mod.rs"]
mod standin;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    use std::io::Write;
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(0);
    let server = standin::Standin::start(port).await?;
    writeln!(std::io::stdout(), "{}", server.url)?;
    std::io::stdout().flush()?;
    std::future::pending().await
}
