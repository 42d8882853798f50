//! From what was found of a credential to how requests are signed with it.

use std::path::PathBuf;

use tollgate_core::{Secret, provider::Auth};
use tollgate_gateway::{
    AwsKeys, AzureCli, EntraKey, GoogleKey, MachineIdentity, ProfileFiles, Signing,
};

use crate::{
    config::{CredentialSource, ProviderConfig},
    credentials::{CredentialError, Keys},
    start::Environment,
};

/// A provider's credential, at hand.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// None is configured: the client's own passes through.
    Nothing,
    /// A key that is sent as it is.
    Key(Secret),
    /// Requests are signed.
    Signing(Signing),
}

/// What the provider's requests carry.
///
/// # Errors
/// When the credential is not there, or is another than the provider's `auth` wants.
pub(crate) fn found(
    own: &ProviderConfig,
    keys: &Keys,
    env: &Environment,
) -> Result<Found, CredentialError> {
    let Some(source) = &own.credential else { return Ok(Found::Nothing) };
    let region = own.region.clone().unwrap_or_default();
    if *source == CredentialSource::Aws {
        return Ok(Found::Signing(Signing::Aws { keys: AwsKeys::Tools, region }));
    }
    if let CredentialSource::AwsProfile(name) = source {
        let path = |variable: &str| env(variable).filter(|it| !it.is_empty()).map(PathBuf::from);
        let files = ProfileFiles {
            config: path("AWS_CONFIG_FILE"),
            credentials: path("AWS_SHARED_CREDENTIALS_FILE"),
        };
        let keys = AwsKeys::Profile { name: name.clone(), files };
        return Ok(Found::Signing(Signing::Aws { keys, region }));
    }
    let unfit = |why: String| CredentialError::Unfit { place: source.to_string(), why };
    if let CredentialSource::EntraCli(tenant) = source {
        let cli = AzureCli::new("az".into(), tenant.clone()).map_err(|it| unfit(it.to_owned()))?;
        return Ok(Found::Signing(Signing::AzureCli(cli)));
    }
    if let Some(machine) = machine(source, env) {
        let machine = machine.map_err(|it| unfit(it.to_owned()))?;
        return Ok(Found::Signing(Signing::Machine(machine)));
    }
    let secret = keys.get(source)?;
    match &own.provider.auth {
        Auth::Bearer | Auth::Header(_) | Auth::None => Ok(Found::Key(secret)),
        Auth::Aws => aws(&secret)
            .map(|keys| Found::Signing(Signing::Aws { keys, region }))
            .ok_or_else(|| unfit("it is not `ID:SECRET` or `ID:SECRET:SESSION_TOKEN`".to_owned())),
        Auth::Google => GoogleKey::parse(secret.expose())
            .map(|it| Found::Signing(Signing::Google(it)))
            .map_err(|it| unfit(it.to_string())),
        Auth::Entra => {
            let authority = env("AZURE_AUTHORITY_HOST").filter(|it| !it.is_empty());
            let key = entra(&secret, authority.as_deref()).map_err(|it| unfit(it.to_owned()))?;
            Ok(Found::Signing(Signing::Entra(key)))
        }
    }
}

/// The identity of this machine, where that is meant. Nobody is asked for it yet.
fn machine(
    source: &CredentialSource,
    env: &Environment,
) -> Option<Result<MachineIdentity, &'static str>> {
    let variable = |name: &str| env(name).filter(|it| !it.is_empty());
    match source {
        CredentialSource::GoogleMetadata => {
            Some(MachineIdentity::google(variable("GCE_METADATA_HOST").as_deref()))
        }
        CredentialSource::EntraManaged(client) => {
            let client = client.as_deref();
            let app = variable("IDENTITY_ENDPOINT").zip(variable("IDENTITY_HEADER"));
            Some(match app {
                Some((endpoint, proof)) => {
                    MachineIdentity::app_service(client, &endpoint, Secret::new(proof))
                }
                None => {
                    let origin = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST");
                    MachineIdentity::azure(client, origin.as_deref())
                }
            })
        }
        CredentialSource::Env(_)
        | CredentialSource::Keyring(_)
        | CredentialSource::AwsProfile(_)
        | CredentialSource::AwsEnv(_)
        | CredentialSource::Aws
        | CredentialSource::EntraCli(_)
        | CredentialSource::Google(_)
        | CredentialSource::EntraEnv(_) => None,
    }
}

fn aws(text: &Secret) -> Option<AwsKeys> {
    let mut parts = text.expose().splitn(3, ':').filter(|it| !it.is_empty());
    let (id, secret) = (parts.next()?, parts.next()?);
    Some(AwsKeys::Fixed {
        id: id.to_owned(),
        secret: Secret::new(secret.to_owned()),
        session: parts.next().map(|it| Secret::new(it.to_owned())),
    })
}

fn entra(text: &Secret, authority: Option<&str>) -> Result<EntraKey, &'static str> {
    let mut parts = text.expose().splitn(3, ':');
    let (Some(tenant), Some(client), Some(secret)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err("it is not `TENANT:CLIENT:SECRET`");
    };
    EntraKey::new(tenant, client.to_owned(), Secret::new(secret.to_owned()), authority)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tollgate_core::provider::Catalogue;

    use super::*;
    use crate::config::Config;

    fn check(text: &str, variables: &'static [(&str, &str)]) -> Result<Found, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, format!("[[providers]]\n{text}")).unwrap();
        let config = Config::load(&file, &Catalogue::embedded().unwrap()).unwrap();
        let env: Environment = Arc::new(|name| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let mut keys = Keys::default();
        keys.read_environment(&config, &*env);
        found(&config.providers[0], &keys, &env).map_err(|it| it.to_string())
    }

    #[test]
    fn each_place_of_a_credential_leads_to_the_signature_that_it_is_for() {
        let bedrock = "id = 'amazon-bedrock'\nparameters = { region = 'eu-west-1' }\n";
        let environment = check(
            &format!("{bedrock}api_key = {{ aws_env = 'WORK' }}"),
            &[("WORK_ACCESS_KEY_ID", "AKID"), ("WORK_SECRET_ACCESS_KEY", "a/b")],
        );
        let Ok(Found::Signing(Signing::Aws { keys, region })) = environment else { panic!() };
        let fixed = AwsKeys::Fixed {
            id: "AKID".to_owned(),
            secret: Secret::new("a/b".to_owned()),
            session: None,
        };
        assert_eq!((keys, region.as_str()), (fixed, "eu-west-1"));

        let session = check(
            &format!("{bedrock}auth = 'aws'\napi_key = {{ env = 'KEYS' }}"),
            &[("KEYS", "AKID:a/b:session")],
        );
        let Ok(Found::Signing(Signing::Aws { keys: AwsKeys::Fixed { session, .. }, .. })) = session
        else {
            panic!()
        };
        assert_eq!(session.unwrap().expose(), "session");

        let profile = check(
            &format!("{bedrock}api_key = {{ aws_profile = 'work' }}"),
            &[("AWS_CONFIG_FILE", "/else/config")],
        );
        let Ok(Found::Signing(Signing::Aws { keys: AwsKeys::Profile { name, files }, .. })) =
            profile
        else {
            panic!()
        };
        assert_eq!((name.as_str(), files.config), ("work", Some(PathBuf::from("/else/config"))));

        let tools = check(&format!("{bedrock}api_key = {{ aws = 'default' }}"), &[]);
        let Ok(Found::Signing(Signing::Aws { keys, .. })) = tools else { panic!() };
        assert_eq!(keys, AwsKeys::Tools);

        let key = check(&format!("{bedrock}api_key = {{ env = 'K' }}"), &[("K", "bedrock-key")]);
        let Ok(Found::Key(key)) = key else { panic!() };
        assert_eq!(key.expose(), "bedrock-key");

        let azure = "id = 'azure'\nparameters = { resource = 'lab' }\n";
        let entra = check(
            &format!("{azure}api_key = {{ entra_env = 'AZURE' }}"),
            &[
                ("AZURE_TENANT_ID", "tenant"),
                ("AZURE_CLIENT_ID", "app"),
                ("AZURE_CLIENT_SECRET", "a:b"),
            ],
        );
        assert!(matches!(entra, Ok(Found::Signing(Signing::Entra(_)))));
        for (written, tenant) in [("default", None), ("contoso.com", Some("contoso.com"))] {
            let cli = check(&format!("{azure}api_key = {{ entra_cli = '{written}' }}"), &[]);
            let Ok(Found::Signing(Signing::AzureCli(cli))) = cli else { panic!() };
            let tenant = tenant.map(str::to_owned);
            assert_eq!(cli, AzureCli::new("az".into(), tenant).unwrap());
        }
        let unfit = check(&format!("{azure}api_key = {{ entra_cli = 'a b' }}"), &[]).unwrap_err();
        assert!(unfit.contains("neither an id nor a domain"), "{unfit}");
        assert!(matches!(check(azure, &[]), Ok(Found::Nothing)));
    }

    #[test]
    fn googles_own_login_is_looked_for_where_its_tools_keep_it() {
        let vertex = "id = 'google-vertex'\nparameters = { region = 'r', project = 'p' }\n\
                      api_key = { google = 'default' }";
        let why = check(vertex, &[("HOME", "/nowhere")]).unwrap_err();
        assert!(why.contains("/nowhere/.config/gcloud/application_default"), "{why}");
        let why = check(vertex, &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/key.json")]).unwrap_err();
        assert!(why.contains("`/no/key.json`"), "{why}");
        let why = check(vertex, &[]).unwrap_err();
        assert!(why.contains("`GOOGLE_APPLICATION_CREDENTIALS` is not set"), "{why}");
    }

    #[test]
    fn a_credential_of_another_kind_is_told_and_not_shown() {
        let check = |text: &str, value: &'static str, says: &str| {
            let why = match value {
                "s3cret" => check(text, &[("K", "s3cret")]),
                _ => check(text, &[("K", "s3cret:")]),
            };
            let why = why.unwrap_err();
            assert!(why.contains(says) && !why.contains("s3cret"), "{why}");
        };
        let aws = "id = 'amazon-bedrock'\nparameters = { region = 'r' }\nauth = 'aws'\n\
                   api_key = { env = 'K' }";
        check(aws, "s3cret", "`ID:SECRET`");
        check(aws, "s3cret:", "`ID:SECRET`");
        let google = "id = 'google-vertex'\nparameters = { region = 'r', project = 'p' }\n\
                      api_key = { env = 'K' }";
        check(google, "s3cret", "from $K: the key is not the JSON");
        let entra = "id = 'azure'\nparameters = { resource = 'r' }\nauth = 'entra'\n\
                     api_key = { env = 'K' }";
        check(entra, "s3cret", "`TENANT:CLIENT:SECRET`");
    }

    #[test]
    fn a_machines_identity_is_meant_only_where_it_is_written() {
        let vertex = "id = 'google-vertex'\nparameters = { region = 'r', project = 'p' }\n";
        let google = format!("{vertex}api_key = {{ google = 'metadata' }}");
        let host: &[(&str, &str)] = &[("GCE_METADATA_HOST", "127.0.0.1:1")];
        let found = check(&google, host);
        let expected = MachineIdentity::google(Some("127.0.0.1:1")).unwrap();
        assert!(matches!(found, Ok(Found::Signing(Signing::Machine(it))) if it == expected));
        let elsewhere = check(&google, &[("GCE_METADATA_HOST", "example.com")]).unwrap_err();
        assert!(elsewhere.contains("Google's metadata server"), "{elsewhere}");

        let azure = "id = 'azure'\nparameters = { resource = 'lab' }\n";
        let machine = check(&format!("{azure}api_key = {{ entra_managed = 'default' }}"), &[]);
        let expected = MachineIdentity::azure(None, None).unwrap();
        assert!(matches!(machine, Ok(Found::Signing(Signing::Machine(it))) if it == expected));
        let app: &[(&str, &str)] =
            &[("IDENTITY_ENDPOINT", "http://localhost:1/msi"), ("IDENTITY_HEADER", "proof")];
        let found = check(&format!("{azure}api_key = {{ entra_managed = '1f0e-a' }}"), app);
        let proof = Secret::new("proof".to_owned());
        let url = "http://localhost:1/msi";
        let expected = MachineIdentity::app_service(Some("1f0e-a"), url, proof).unwrap();
        assert!(matches!(found, Ok(Found::Signing(Signing::Machine(it))) if it == expected));
        // The same variables mean nothing to an application's secret.
        let secret = check(&format!("{azure}api_key = {{ entra_env = 'AZURE' }}"), app);
        assert!(secret.is_err());
    }
}
