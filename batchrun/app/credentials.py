"""The credentials of a job, from the options that name their source."""

from batchrun.adapters.credentials.issued_token import IssuedToken
from batchrun.adapters.credentials.token import Token, load_token
from batchrun.errors import InputError
from batchrun.job import Job


def credentials_of(job: Job, token: str | None) -> Token:
    """The token of `job`, or its source. `token`: the token from the environment. Raises `InputError`.

    A token file is read and a token command is run; an OAuth app is not asked before the first request.
    """
    if job.oauth_config is None:
        return load_token(job.token_file, job.token_command, token, job.dialect)
    from batchrun.adapters.credentials.oauth import OAuthApp  # noqa: PLC0415 - other commands start faster

    app = OAuthApp(job.oauth_config, allow_insecure=job.allow_insecure)
    if job.base_url is None and app.base_url != job.service_url:
        raise InputError(
            f"{app}: its tokens are valid at {app.base_url}, but the job goes to {job.service_url}; "
            f"add --base-url {app.base_url}"
        )
    return IssuedToken(app, headers=job.dialect.headers)
