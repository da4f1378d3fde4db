"""Lists the forms by which secrets are known: what issuers hand out, and where people write them.

The kinds are those of gitleaks and detect-secrets that have a shape of their own. Kinds that are
known by a service's name nearby alone ("forty letters beside the word datadog") are left to the
names that `learning.experience.redact` knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

ISSUED: Mapping[str, str] = MappingProxyType(
    {
        # models
        "OpenAI, Anthropic and alike": r"sk-(?:ant-|proj-|or-v1-|svcacct-|admin-|lf-)?[\w-]{20,200}",
        "Hugging Face": r"(?:hf|api_org)_[A-Za-z0-9]{20,100}",
        "Replicate": r"r8_[A-Za-z0-9]{30,50}",
        "Groq": r"gsk_[A-Za-z0-9]{30,80}",
        "xAI": r"xai-[A-Za-z0-9]{40,100}",
        "Perplexity": r"pplx-[A-Za-z0-9]{30,80}",
        "LangSmith": r"lsv2_(?:pt|sk)_[\w-]{32,80}",
        "Pinecone": r"pcsk_[\w-]{30,90}",
        "Jina": r"jina_[A-Za-z0-9]{40,80}",
        "Together": r"tgp_v1_[\w-]{30,60}",
        "NVIDIA": r"nvapi-[\w-]{40,90}",
        "Cerebras": r"csk-[a-z0-9]{40,60}",
        "Anyscale": r"esecret_[a-z0-9]{20,60}",
        "Fireworks": r"fw_[A-Za-z0-9]{24}(?!\w)",
        "Voyage": r"pa-[\w-]{43}(?![\w-])",
        "Tavily": r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{28,60}",
        "Firecrawl": r"fc-[0-9a-f]{32}",
        "Weights & Biases": r"wandb_v1_\w{40,100}",
        # code and work
        "GitHub": r"gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}",
        "GitLab": r"gl(?:pat|dt|ptt|rt|cbt|soat|ft|ffct|imt|agent|oas|wt)-[\w-]{16,100}(?:\.[0-9a-z]{2,12}){0,2}",
        "GitLab runner": r"GR1348941[\w-]{20}",
        "Atlassian": r"AT(?:ATT|CTT)3[\w=-]{60,400}",
        "Bitbucket": r"ATBB[A-Za-z0-9]{24,60}",
        "Trello": r"ATTA[A-Za-z0-9]{60,90}",
        "Sourcegraph": r"sgp_(?:[0-9a-f]{16}_|local_)?[0-9a-f]{40}",
        "Linear": r"lin_(?:api|oauth)_[A-Za-z0-9]{32,80}",
        "Figma": r"figd_[\w-]{36,60}",
        "Postman": r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}",
        "Buildkite": r"bkua_[0-9a-f]{40}",
        "CircleCI": r"CCIP(?:AT|RJ)_[A-Za-z0-9_]{20,90}",
        "Octopus Deploy": r"API-[A-Z0-9]{26,40}",
        "SonarQube": r"sq[pua]_[0-9a-f]{40}",
        "Notion": r"ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43}",
        "Asana": r"[12]/(?:\d{16}/)?\d{16}:[0-9a-f]{32}",
        "Intra 42": r"s-s4t2(?:ud|af)-[0-9a-f]{64}",
        "Rootly": r"rootly_[0-9a-f]{64}",
        "incident.io": r"inc_[0-9a-f]{64}",
        "Infracost": r"ico-[A-Za-z0-9]{32}",
        "SettleMint": r"sm_(?:pat|aat|sat)_[A-Za-z0-9]{16}",
        "Val Town": r"vtwn_[A-Za-z0-9]{20,40}",
        "Harness": r"[ps]at\.[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}",
        # packages
        "PyPI": r"pypi-[\w-]{40,400}",
        "npm": r"npm_[A-Za-z0-9]{30,60}",
        "RubyGems": r"rubygems_[0-9a-f]{48}",
        "NuGet": r"oy2[a-z0-9]{43}",
        "crates.io": r"cio[A-Za-z0-9]{32}",
        "Clojars": r"CLOJARS_[a-z0-9]{60}",
        "Docker Hub": r"dckr_[po]at_[\w-]{20,60}",
        "Artifactory": r"AKCp[A-Za-z0-9]{60,80}|cmVmd[A-Za-z0-9]{50,70}|jfrt@[A-Za-z0-9]{60}",
        # clouds and hosting
        "AWS": r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|ABSK[A-Za-z0-9+/=]{90,140}",
        "Amazon MWS": r"amzn\.mws\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Google": r"AIza[\w-]{35}|GOCSPX-[\w-]{28}|ya29\.[\w-]{20,500}|1//0[\w-]{40,120}|AAAA[\w-]{7}:[\w-]{140}",
        "Azure": r"[\w~.]{3}\dQ~[\w~.-]{31,34}",
        "DigitalOcean": r"do[opr]_v1_[0-9a-f]{64}",
        "Alibaba": r"LTAI[A-Za-z0-9]{16,24}",
        "Tencent": r"AKID[A-Za-z0-9]{32}",
        "Cloudflare": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",
        "Aiven": r"AVNS_[\w-]{19}",
        "Scaleway": r"SCW[A-Z0-9]{17}(?![A-Za-z0-9])",
        "ClickHouse": r"4b1d[A-Za-z0-9]{38}(?![A-Za-z0-9])",
        "Neon": r"napi_[a-z0-9]{60,70}",
        "Scalingo": r"tk-us-[\w-]{48}",
        "Defined Networking": r"dnkey-[\w=-]{26}-[\w=-]{52}",
        "MaxMind": r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk",
        "Authress": (
            r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-][\w-]{10,32}\.[\w+/=-]{30,120}"
        ),
        "Stytch": r"secret-(?:test|live)-[\w-]{36}={0,2}",
        "Yandex key": r"(?:YC[\w-]{38}|AQVN[\w-]{35,38})(?![\w-])",
        "Yandex": r"t1\.[\w-]{1,200}={0,2}\.[\w-]{86}={0,2}",
        "Vault": r"hv[sbr]\.[\w-]{24,300}",
        "Terraform": r"[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,80}",
        "Pulumi": r"pul-[0-9a-f]{40}",
        "Doppler": r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}",
        "Databricks": r"dapi[0-9a-f]{32}(?:-\d)?",
        "Netlify": r"nfp_[A-Za-z0-9]{40}",
        "Heroku": r"HRKU-[\w-]{36,64}",
        "Render": r"rnd_[A-Za-z0-9]{28,40}",
        "Fly": r"fo1_[\w-]{43}|fm[12][a-z]?_[A-Za-z0-9+/=_-]{100,600}",
        "Supabase": r"sbp_(?:v0_)?[0-9a-f]{40}|sb_secret_[\w-]{20,60}",
        "PlanetScale": r"pscale_(?:pw|tkn|oauth)_[\w=.-]{32,64}",
        "Tailscale": r"tskey-[a-z]{3,8}-[\w-]{20,80}",
        "OpenShift": r"sha256~[\w-]{43}",
        "1Password": r"ops_eyJ[A-Za-z0-9+/=_-]{100,900}|A3-[A-Z0-9]{6}(?:-[A-Z0-9]{5,11}){4,5}",
        "age": r"AGE-SECRET-KEY-1[0-9A-Z]{58}",
        "Nostr": r"nsec1[02-9ac-hj-np-z]{58}",
        # messages and mail
        "Slack": r"xox[abeoprs](?:-|\.xox[bp]-)[\w-]{10,250}|xapp-\d-[\w-]{20,160}",
        "Discord": r"[MNO][A-Za-z\d_-]{23,27}\.[\w-]{6}\.[\w-]{27,40}",
        "Telegram": r"\d{8,10}:AA[\w-]{33}",
        "SendGrid": r"SG\.[\w-]{16,32}\.[\w-]{32,64}|SG\.[\w=-]{66}",
        "Resend": r"re_[A-Za-z0-9]{8}_[A-Za-z0-9]{20,24}(?!\w)",
        "Frame.io": r"fio-u-[\w=-]{64}",
        "Lob": r"(?:live|test)_(?:pub_)?[0-9a-f]{31,35}(?!\w)",
        "Mailgun": r"key-[0-9a-f]{32}|[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])",
        "HubSpot": r"pat-(?:na|eu|ap)\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "Mailchimp": r"[0-9a-f]{32}-us\d{1,2}",
        "Brevo": r"xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16}",
        "Twilio": r"SK[0-9a-f]{32}",
        "Facebook": r"EAA[A-Z][A-Za-z0-9]{80,300}",
        "Twitter": r"A{20}[A-Za-z0-9%]{60,160}",
        # money
        "Stripe": r"[srp]k_(?:live|test|prod)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/=]{24,80}",
        "Square": r"sq0[a-z]{3}-[\w-]{22,60}|EAAA[\w+=/-]{56,120}",
        "Shopify": r"shp(?:at|ca|pa|ss|ua)_[a-fA-F0-9]{32}",
        "Razorpay": r"rzp_(?:live|test)_[A-Za-z0-9]{14,30}",
        "Flutterwave": r"FLWSECK(?:_TEST)?-[a-hA-H0-9]{12,32}(?:-X)?",
        "Braintree": r"access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}",
        "Plaid": r"access-(?:sandbox|development|production)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "EasyPost": r"EZ[AT]K[A-Za-z0-9]{54}",
        "Duffel": r"duffel_(?:test|live)_[\w-]{43}",
        "Shippo": r"shippo_(?:live|test)_[0-9a-f]{40}",
        "Polar": r"polar_[a-z]{2,4}_[A-Za-z0-9]{32,60}",
        "Paddle": r"pdl_(?:live|sdbx)_apikey_\w{30,80}",
        # data and monitoring
        "Grafana": r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}|glc_[A-Za-z0-9+/]{32,400}={0,3}|eyJrIjoi[A-Za-z0-9]{70,400}",
        "New Relic": r"NR(?:AK|JS|RA|II)-[A-Za-z0-9]{19,42}",
        "Sentry": r"sntry[su]_[A-Za-z0-9+/=_]{60,400}",
        "Dynatrace": r"dt0[a-z]\d\d\.[A-Z0-9]{24}\.[A-Z0-9]{64}",
        "PostHog": r"ph[cx]_[A-Za-z0-9]{40,60}",
        "Airtable": r"pat[A-Za-z0-9]{14}\.[0-9a-f]{64}",
        "Contentful": r"CFPAT-[\w-]{40,50}",
        "ReadMe": r"rdme_[a-z0-9]{70}",
        "Typeform": r"tfp_[\w-]{40,70}",
        "Prefect": r"pnu_[A-Za-z0-9]{36}",
        "Adobe": r"p8e-[a-z0-9]{32}",
        "Dropbox": r"sl\.[\w-]{130,160}",
        "Mapbox": r"[sp]k\.(?:eyJ)?[A-Za-z0-9]{60,120}\.[\w-]{20,40}",
        "LaunchDarkly": r"(?:api|sdk|mob)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "ElevenLabs": r"sk_[0-9a-f]{48}",
        "JSON web token": r"eyJ[\w-]{8,4000}\.eyJ[\w-]{4,4000}\.[\w-]{4,1000}",
        "JSON web token in base64": r"ZXlK[A-Za-z0-9+/=_-]{150,4000}",
        "hash of a password by name": (
            r"pbkdf2_sha\d{1,3}\$\d{1,9}\$[\w./+-]{1,64}\$[A-Za-z0-9+/=]{20,100}"
            r"|scrypt:\d{1,9}:\d{1,3}:\d{1,3}\$[\w./+-]{1,64}\$[0-9a-f]{64,256}"
            r"|\$argon2(?:id|i|d)\$v=\d{1,3}\$[\w=,]{1,60}\$[A-Za-z0-9+/]{8,100}\$[A-Za-z0-9+/]{16,200}"
            r"|\{S?SHA\d{0,3}\}[A-Za-z0-9+/]{26,200}={0,2}"
        ),
        "hash of a password": r"\$(?:apr1|2[abxy]|5|6|y|7)\$[A-Za-z0-9./$=,+]{20,300}",
    }
)
"""Keys and tokens whose issuers gave them a shape of their own, by issuer."""

PLACED: Mapping[str, str] = MappingProxyType(
    {
        "user and password in a URL": r"(?<=://)()[^\s/@:'\"<>\[\]]{0,200}:[^\s/'\"<>\[\]]{1,200}(?=@)",
        "token in a URL": r"(?<=://)()[\w.-]{16,255}(?=@[A-Za-z0-9])",
        "web hook": (
            r"(?i)(https://(?:hooks\.slack\.com/(?:services|workflows|triggers)"
            r"|(?:ptb\.|canary\.)?discord(?:app)?\.com/api/webhooks|[a-z0-9-]{1,60}\.webhook\.office\.com|hooks\.zapier\.com/hooks/catch)/)"
            r"[\w@/-]{12,300}"
        ),
        "signature in a URL": r"([?&](?:sig|X-Amz-Signature|X-Goog-Signature)=)[A-Za-z0-9%+/_-]{20,600}",
        "authorization header": (
            r"(?i)(\b(?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[bfru]?[\"']?"
            r"(?:bearer|basic|token|apikey|key|digest|negotiate|aws4-hmac-sha256)\s{1,4})"
            r"[^\s'\"{$<%\[][^\n'\"]{3,4000}"
        ),
        "authorization header without a scheme": (
            r"(?i)(\b(?:proxy-)?authorization[\"']?:[ \t]{1,4}[\"']?)[\w.~+/=-]{20,4000}(?=['\"\s]|$)"
        ),
        "header with a key": (
            r"(?i)((?<!\w)(?:x-[a-z-]{0,30}?(?:token|secret|key)|"
            r"(?:api-?key|auth-?token|access-?token|private-token|security-token))[\"']?:\s{1,4}[\"']?)"
            r"[^\s'\"{$<%\[(][^\s'\"]{7,4000}"
        ),
        "cookie": r"(?im)(^[<>*\s]{0,4}(?:set-)?cookie:[ \t]{0,4})[^\s\[][^\n]{7,4000}",
        "user and password on a command line": (
            r"((?<!\S)(?:-u ?|--user[ =]|--proxy-user[ =])['\"]?[^\s:'\"\[\]]{1,100}:)"
            r"[^\s'\"$\[]{1,200}"
        ),
        "option of a command": (
            r"(?i)((?<!\S)--?(?:[a-z]{1,20}-){0,3}"
            r"(?:password|passwd|passphrase|token|secret|api-?key|access-?key)[ =]['\"]?)"
            r"(?=[^\s'\"]{0,60}[0-9!@%^&*~+/])[^\s'\"${<\[-][^\s'\"]{3,4000}"
        ),
        "element of XML": (
            r"(?i)(<(?:[\w.-]{0,40}(?:password|passphrase|secret|token|api-?key))>)[^\s<$\[{][^<\n]{2,1000}(?=</)"
        ),
        "password in SQL": r"(?i)(\b(?:password|identified by)\s{1,4})'[^'\n]{3,200}'",
        "ENV of a Dockerfile": (
            r"(?m)(^(?:ENV|ARG) {1,4}\w{0,60}(?:PASSWORD|PASSWD|SECRET|TOKEN|KEY) {1,4})[^\s$\[]{4,1000}"
        ),
        "bearer": r"(?i)(\bbearer\s{1,4})(?=[\w.~+/-]{0,60}\d)[\w.~+/=-]{20,4000}",
        "variable of a shell": (
            r"(?im)(^[ \t]{0,20}(?:setenv|set -[a-z]{1,4}) {1,4}\w{0,60}"
            r"(?:PASS|PASSWORD|PASSWD|SECRET|TOKEN|KEY) {1,4}['\"]?)[^\s'\"$\[]{4,1000}"
        ),
        "name and value": (
            r"(?i)(\b(?:name|key|id|type)[\"']?\s{0,4}[:=]\s{0,4}[\"']?[\w.-]{0,60}"
            r"(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key)[\"']?[ \t,]{0,4}\n?[ \t]{0,40}"
            r"[\"']?value[\"']?\s{0,4}[:=]\s{0,4}[\"']?)[^\s'\"${}\[<,][^\s'\"<]{3,1000}"
        ),
        "default of a variable": (
            r"(?i)(\bvariable\s{1,4}\"[\w-]{0,60}(?:password|secret|token|key)\"\s{0,4}\{[^{}]{0,300}?"
            r"\bdefault\s{0,4}=\s{0,4}\")[^\"\n$\[]{4,1000}"
        ),
        "call that sets one": (
            r"(?i)(\b(?:set|with)\w{0,40}(?:password|passphrase|secret|token|apikey)\(\s{0,4}[\"'])[^\"'\n\[]{4,1000}(?=[\"'])"
        ),
        "user and password in a call": (
            r"((?:\bauth\s{0,4}[=:]\s{0,4}\(|\bHTTP(?:Basic|Digest|Proxy)Auth\(|\bBasicAuth\(|\.login\()"
            r"\s{0,4}[\"'][^\"'\n]{1,100}[\"'],\s{0,4}b?[\"'])[^\"'\n\[]{3,1000}(?=[\"'])"
        ),
        "password as an argument": (
            r"(\b(?:ldap(?:search|add|modify|whoami|passwd)\b[^\n|;]{0,200} -w|(?:plink|pscp|psftp)\b[^\n|;]{0,100} -pw"
            r"|zip\b[^\n|;]{0,60} -P|keytool\b[^\n|;]{0,200} -(?:store|key)pass) {1,2}['\"]?|\b7z\b[^\n|;]{0,60} -p)"
            r"[^\s'\"$\[-][^\s'\"]{2,200}"
        ),
        "setting on a command line": (
            r"(?i)(\b(?:configure|config) set {1,4}[\w.-]{0,60}(?:secret|token|key|password)\w{0,20} {1,4}['\"]?)[^\s'\"$\[]{6,1000}"
        ),
        "net use": r"(?i)(\bnet use\b[^\n]{0,100} /user:\S{1,100} {1,4})[^\s/\[]\S{2,200}",
        "Oracle": r"(?i)(\bjdbc:oracle:\w{1,10}:[^\s/@:]{1,60}/)[^\s/@\[]{3,200}(?=@)",
        "Fernet": r"(\bFernet\(\s{0,4}b?[\"'])[\w-]{43}=",
        "JSON web key": r"([\"'](?:d|k|p|q|dp|dq|qi)[\"']\s{0,4}:\s{0,4}[\"'])[\w-]{40,1000}(?=[\"'])",
        "sentence": (
            r"(?i)(\b(?:password|passphrase|token|secret|api key) (?:is|was):? {1,2}[\"'`]?)"
            r"(?=[^\s'\"`]{0,60}\d)[A-Za-z0-9][^\s'\"`<>(){}\[]{5,1000}"
        ),
        "PuTTY's private lines": r"(\bPrivate-Lines: \d{1,4}\s{1,2})[A-Za-z0-9+/=\s]{20,9000}",
        "sshpass": r"(\bsshpass +-p ?['\"]?)[^\s'\"$\[]{1,200}",
        "mysql": r"(\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n|;]{0,200} -p['\"]?)[^\s'\"$\[-][^\s'\"]{2,200}",
        "login": r"(\b(?:docker|podman|helm|az|oc)\b[^\n|;]{0,60}\blogin\b[^\n|;]{0,200} -p ['\"]?)[^\s'\"$\[]{3,200}",
        ".netrc": r"(?i)(\b(?:login|user|account)\s{1,4}\S{1,200}\s{1,4}password\s{1,4})[^\s\[]\S{2,200}",
        ".pgpass": (
            r"(?m)(^(?:[\w.-]{1,200}|\*):(?:\d{2,5}|\*):(?:[\w.-]{1,100}|\*):[\w.@-]{1,100}:)"
            r"[^\s\[][^\s:]{2,200}$"
        ),
        ".npmrc": r"((?:^|[\s/:])_(?:authToken|auth|password) {0,2}= {0,2}['\"]?)[^\s'\"$\[]{6,1000}",
        "Docker's configuration": r"(\"(?:auth|identitytoken|private_key_id)\" {0,4}: {0,4}\")[\w+/=.-]{8,2000}",
        "WireGuard": r"(\b(?:PrivateKey|PresharedKey) {0,4}= {0,4})[A-Za-z0-9+/]{43}=",
        "Azure's connection string": r"(\b(?:AccountKey|SharedAccessKey|SharedSecret)=)[A-Za-z0-9+/]{20,100}={0,2}",
        "Kubernetes' configuration": r"(\b(?:client-key-data|certificate-key): {1,4})[A-Za-z0-9+/=]{20,9000}",
    }
)
"""Secrets that are known by where they stand; the first group is what stays before one."""

PRIVATE_KEY = re.compile(
    r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?"
    r"(?:-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|\Z)",  # matches each character once
    re.DOTALL,
)
