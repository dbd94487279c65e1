use std::io::{self, Read};

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let longest = wordcount::longest(&text).unwrap_or("none");
    println!("{} (the longest is \"{longest}\")", wordcount::words(&text));
    Ok(())
}
