"""Where the parts are put together: job → adapters → engine → views."""
