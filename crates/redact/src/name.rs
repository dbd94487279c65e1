//! Tells from the name of a variable whether its value is secret.

/// Words that make a name secret wherever they stand.
const SECRET: &[&str] = &[
    "TOKEN",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWORDS",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "AUTH",
    "AUTHORIZATION",
    "BEARER",
    "COOKIE",
    "JWT",
    "PAT",
    "WEBHOOK",
];

/// Ends of words that were written together, as in `PGPASSWORD`.
const GLUED: &[&str] =
    &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY", "SECRETKEY", "PRIVATEKEY"];

/// Last words that make a name one of something about a secret, not of the secret.
const ABOUT: &[&str] = &[
    "PATH",
    "PATHS",
    "FILE",
    "FILES",
    "FILENAME",
    "DIR",
    "DIRECTORY",
    "FOLDER",
    "HOME",
    "SOCK",
    "SOCKET",
    "URL",
    "URI",
    "ENDPOINT",
    "HOST",
    "PORT",
    "SERVER",
    "NAME",
    "USER",
    "USERNAME",
    "ID",
    "TYPE",
    "KIND",
    "METHOD",
    "MODE",
    "PROVIDER",
    "BACKEND",
    "STORE",
    "HELPER",
    "COMMAND",
    "CMD",
    "SCOPE",
    "SCOPES",
    "AUDIENCE",
    "ISSUER",
    "REALM",
    "HEADER",
    "ALGORITHM",
    "VERSION",
    "REGION",
    "TTL",
    "TIMEOUT",
    "EXPIRY",
    "EXPIRES",
    "EXPIRATION",
    "LIFETIME",
    "AGE",
    "LENGTH",
    "LEN",
    "SIZE",
    "LIMIT",
    "COUNT",
    "BUDGET",
    "MIN",
    "MAX",
    "ENABLED",
    "DISABLED",
    "REQUIRED",
    "POLICY",
    "PROMPT",
    "RETRIES",
];

/// Words before `KEY` that name a key nobody has to hide.
const OPEN_KEYS: &[&str] = &[
    "PUBLIC",
    "PRIMARY",
    "FOREIGN",
    "SORT",
    "PARTITION",
    "CACHE",
    "HOT",
    "SHORTCUT",
    "ROUTING",
    "GROUP",
    "INDEX",
    "META",
    "COMPOSE",
    "HOST",
];

/// Whether the value of a variable with this name is one to hide: `GITHUB_TOKEN`, `PGPASSWORD`, `apiKey`, but not
/// `GITHUB_TOKEN_FILE`, `MAX_TOKENS`, `SSH_AUTH_SOCK` or `NEXT_PUBLIC_API_KEY`.
///
/// It is a guess. People add to it, and take from it, by name.
#[must_use]
pub fn looks_secret(name: &str) -> bool {
    let words = words(name);
    let has = |word: &str| words.iter().any(|found| found == word);
    let Some((last, before)) = words.split_last() else { return false };
    if has("PUBLIC") || has("PUB") {
        return false;
    }
    if has("WEBHOOK") && last == "URL" {
        return true;
    }
    // The shell's working directories, a path that everybody calls credentials, and switches.
    if ["PWD", "OLDPWD", "GOOGLE_APPLICATION_CREDENTIALS"].contains(&name)
        || ABOUT.contains(&last.as_str())
        || words.iter().any(|word| {
            ["MAX", "MIN", "NO", "DISABLE", "ENABLE", "USE", "SKIP", "NUM"].contains(&word.as_str())
        })
    {
        return false;
    }
    let is_key = |word: &str| word == "KEY" || word == "KEYS";
    (is_key(last) && before.last().is_some_and(|word| !OPEN_KEYS.contains(&word.as_str())))
        || words.windows(2).any(|pair| {
            is_key(&pair[1])
                && ["API", "PRIVATE", "SECRET", "ACCESS", "SIGNING", "ENCRYPTION"].contains(&pair[0].as_str())
        })
        || words
            .iter()
            .any(|word| SECRET.contains(&word.as_str()) || GLUED.iter().any(|end| word.ends_with(end)))
}

/// The words of a name in capitals: cut at everything but letters and digits, and where a capital follows a small
/// letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars() {
        let cut = !c.is_alphanumeric() || (small && c.is_uppercase());
        if cut && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_uppercase());
        }
        small = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets() {
        for name in [
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "NPM_TOKEN",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "ANTHROPIC_AUTH_TOKEN",
            "ANTHROPIC_API_KEY",
            "OPENAI_API_KEY",
            "GEMINI_API_KEY",
            "OPENAI_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "PGPASSWORD",
            "MYSQL_PWD",
            "DB_PASSWORD",
            "REDIS_PASS",
            "SMTP_PASSWD",
            "GPG_PASSPHRASE",
            "SSH_PRIVATE_KEY",
            "APIKEY",
            "MYAPIKEY",
            "apiKey",
            "client-secret",
            "clientSecret",
            "HUB_WEBHOOK_SECRET",
            "SLACK_WEBHOOK_URL",
            "NPM_CONFIG__AUTH",
            "npm_config_//registry/:_authToken",
            "AZURE_CREDENTIALS",
            "SESSION_COOKIE",
            "TOKEN",
            "GITLAB_PAT",
            "API_KEY_2",
            "SECRET_KEY_BASE",
        ] {
            assert!(looks_secret(name), "{name}");
        }
    }

    #[test]
    fn no_secrets() {
        for name in [
            "",
            "_",
            "PATH",
            "HOME",
            "PWD",
            "OLDPWD",
            "USER",
            "KEY",
            "TERM",
            "LANG",
            "GITHUB_TOKEN_FILE",
            "TOKEN_PATH",
            "SSH_AUTH_SOCK",
            "XAUTHORITY",
            "GIT_AUTHOR_NAME",
            "AUTHOR",
            "AUTHORS",
            "SSH_ASKPASS",
            "GIT_ASKPASS",
            "PGPASSFILE",
            "MAX_TOKENS",
            "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
            "MAX_THINKING_TOKENS",
            "TOKENIZERS_PARALLELISM",
            "NEXT_PUBLIC_API_KEY",
            "SSH_PUBLIC_KEY",
            "DEPLOY_PUB_KEY",
            "AWS_ACCESS_KEY_ID",
            "AWS_SHARED_CREDENTIALS_FILE",
            "CREDENTIALS_DIRECTORY",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "SORT_KEY",
            "CACHE_KEY",
            "PRIMARY_KEY",
            "KEYBOARD",
            "MONKEY",
            "TURKEY",
            "COMPASS",
            "BYPASS",
            "PATTERN",
            "PATCH",
            "OAUTH_TOKEN_URL",
            "AUTH_TYPE",
            "TOKEN_LIMIT",
            "SECRET_NAME",
            "CARGO_PKG_AUTHORS",
            "PASSED_TESTS",
            "SECRETARY",
            "TOKEN_BUDGET",
            "PASSWORD_MIN_LENGTH",
            "NO_AUTH",
            "USE_AUTH",
        ] {
            assert!(!looks_secret(name), "{name}");
        }
    }
}
