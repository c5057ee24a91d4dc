//! A long listing in several processes: each lists two pages, and saves where the next one continues.
//!
//! `cargo run --example resume -- FILE`, until FILE is gone.

mod demo;

use std::error::Error;
use std::fs;
use std::io::ErrorKind;

use vbs_client::Cursor;
use vbs_client::mock::rows;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).unwrap_or_else(|| "resume.cursor".to_owned());
    let (client, _demo) = demo::client(rows(3000)).await?;

    // The filters have to be those of the process before: a cursor is a place in one list.
    let mut request = client.list_backups().name_like("night").limit(500);
    match fs::read_to_string(&file) {
        Ok(saved) => request = request.resume_at(saved.trim().parse::<Cursor>()?),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }

    let mut pages = request.prefetch(false).pages();
    for _ in 0..2 {
        // An error leaves the file as it is: the next process continues after the last page that was printed.
        let Some(page) = pages.try_next().await? else { break };
        for backup in &page {
            println!("{}", backup.id);
        }
        match page.cursor() {
            Some(cursor) => fs::write(&file, cursor.to_string())?,
            None if page.is_last() => {
                // The file does not exist if the first page was the last.
                let _ = fs::remove_file(&file);
                eprintln!("done");
            }
            // The next page is an error: see `Page::cursor`.
            None => {}
        }
    }
    Ok(())
}
