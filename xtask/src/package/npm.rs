//! Packages for npm: one with the program for each processor, and one that takes the right one of them.

use std::path::Path;
use std::process::Command;

use super::contents::Contents;
use super::debian::field;
use super::target::Target;
use super::{copy, output, rights, write};

/// Processors there are packages for, as Node calls them.
const PROCESSORS: [&str; 2] = ["x64", "arm64"];

/// Stands for the program until the package is installed, and where scripts of packages are not run.
const SHIM: &str = include_str!("npm/roboppi.js");

/// Puts the program in the place of the shim.
const INSTALL: &str = include_str!("npm/install.js");

pub(super) fn make(
    contents: &Contents,
    target: &Target,
    version: &str,
    stage: &Path,
    made: &Path,
) -> Result<(), String> {
    let description = field("description")?;
    let program = stage.join(format!("linux-{}", target.node));
    copy(&contents.path("roboppi"), &program.join("bin/roboppi"))?;
    write(
        &program.join("package.json"),
        format!(
            "{{\n  \"name\": \"{}\",\n  \"version\": \"{version}\",\n  \"description\": \"The program of roboppi for Linux on \
             {}\",\n  \"license\": \"MIT OR Apache-2.0\",\n  \"os\": [\"linux\"],\n  \"cpu\": [\"{}\"],\n  \
             \"preferUnplugged\": true,\n  \"files\": [\"bin/roboppi\"]\n}}\n",
            package(target.node),
            target.node,
            target.node
        ),
    )?;
    let main = stage.join("roboppi");
    write(&main.join("bin/roboppi"), SHIM)?;
    write(&main.join("install.js"), INSTALL)?;
    let programs: Vec<_> =
        PROCESSORS.iter().map(|node| format!("    \"{}\": \"{version}\"", package(node))).collect();
    write(
        &main.join("package.json"),
        format!(
            "{{\n  \"name\": \"roboppi\",\n  \"version\": \"{version}\",\n  \"description\": \"{description}\",\n  \
             \"license\": \"MIT OR Apache-2.0\",\n  \"os\": [\"linux\"],\n  \"engines\": {{ \"node\": \">=18\" }},\n  \
             \"bin\": {{ \"roboppi\": \"bin/roboppi\" }},\n  \"scripts\": {{ \"postinstall\": \"node install.js\" }},\n  \
             \"optionalDependencies\": {{\n{}\n  }},\n  \"files\": [\"bin/roboppi\", \"install.js\"]\n}}\n",
            programs.join(",\n")
        ),
    )?;
    output(Command::new("chmod").arg("755").arg(main.join("bin/roboppi")))?;
    for dir in [&program, &main] {
        for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
            copy(&contents.path(file), &dir.join(file))?;
        }
        rights(dir)?;
        // Nothing is asked of a registry.
        let mut pack = Command::new("npm");
        pack.args(["pack", "--offline", "--silent", "--pack-destination"]).arg(made).current_dir(dir);
        pack.env("npm_config_cache", stage.join("cache")).env("npm_config_update_notifier", "false");
        output(&mut pack)?;
    }
    Ok(())
}

/// The package with the program for a processor.
fn package(node: &str) -> String {
    format!("@roboppi/linux-{node}")
}
