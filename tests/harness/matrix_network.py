"""The fault matrix: the network, and callbacks."""

from tests.harness.matrix import Fault

NETWORK = (
    Fault(
        "N1",
        "connection refused, a name that means nothing, no TLS, a connection that is never made",
        "nothing was sent: no attempt is counted and no row is in doubt; an outage pauses the job",
        (
            "contract/test_contract_http_failures.py::test_a_refused_connection_was_never_sent",
            "contract/test_contract_http_failures.py::test_a_name_that_means_nothing_was_never_sent_to",
            "contract/test_contract_http_failures.py::test_a_server_without_tls_never_saw_it",
            "harness/test_outages_and_throttling.py::test_an_outage_costs_no_attempt",
            "network",
        ),
    ),
    Fault(
        "N2",
        "a reset or the end of the connection before or within the answer; a timeout",
        "a submission is in doubt, a poll is repeated",
        (
            "network/closes without an answer",
            "network/resets without an answer",
            "network/a body cut off by a reset",
            "network/says nothing",
            "contract/test_contract_http_timeouts.py::test_a_request_that_takes_too_long_is_given_up_in_time",
        ),
    ),
    Fault(
        "N3",
        "JSON cut off, a page of HTML, no body, another encoding, garbage instead of HTTP",
        "a submission is in doubt; what can be read of a result is kept; else the run is polled until its time is over",
        (
            "network/JSON cut off",
            "network/a page of HTML",
            "network/no body",
            "network/UTF-16",
            "network/garbage",
            "engine/test_irregular_answers.py::test_what_cannot_be_read_ends_its_row_soon_and_is_not_paid_for_again",
        ),
    ),
    Fault(
        "N4",
        "429 with any Retry-After: seconds, a date, in the past, negative, garbage, none",
        "every request slows down, the pause is bounded, no row pays an attempt",
        (
            "network/429, Retry-After on a date",
            "network/429, Retry-After in the past",
            "network/429, a negative Retry-After",
            "network/429, a Retry-After of garbage",
            "network/429, without a Retry-After",
            "harness/test_outages_and_throttling.py::test_retry_after_pauses_submissions_and_polls",
            "engine/test_pauses.py::test_a_long_pause_of_submissions_ends_the_session_and_lets_polls_go_on",
        ),
    ),
    Fault(
        "N5",
        "500, 502, 504; 503",
        "503 and a documented envelope refuse a submission, any other 5xx leaves it in doubt; polls are repeated",
        (
            "engine/test_refusals.py::test_a_5xx_without_the_envelope_proves_nothing",
            "engine/test_refusals.py::test_a_busy_service_costs_attempts_and_then_the_row_fails",
            "engine/test_refusals.py::test_a_failed_poll_is_no_failed_run",
            "network",
        ),
    ),
    Fault(
        "N6",
        "401 in mid-run, for one row or 500 at once; the renewal hangs, fails, or gives the same token",
        "one renewal for all; the row is queued again, and the job stops with 4 if the token stays refused",
        (
            "contract/test_contract_tokens.py::test_five_hundred_refusals_at_once_renew_the_token_once",
            "contract/test_contract_tokens.py::test_a_slow_source_blocks_no_other_request",
            "contract/test_contract_http_token.py::test_a_token_that_stays_refused_is_not_tried_again_and_again",
            "contract/test_contract_issued_token.py::test_they_share_its_failure_too",
            "engine/test_whole_jobs.py::test_refused_credentials_or_workflow_stop_the_job_at_once",
        ),
    ),
    Fault(
        "N7",
        "400, 413, 422; 403, 404 on a submission",
        "the row fails, but ten first refusals alike stop the job (4); 403 and 404 stop it at once",
        (
            "engine/test_refusals.py::test_a_refused_row_fails_and_the_others_go_on",
            "engine/test_refusals.py::test_ten_identical_first_refusals_stop_the_job_and_the_rows_are_queued_again",
            "engine/test_refusals.py::test_a_refusal_that_is_not_the_rows_fault_stops_the_job_and_the_row_is_queued_again",
        ),
    ),
    Fault(
        "N8",
        "404 on a poll of a run that was just accepted",
        "waited out for 60 s, then the row is `lost`; it is not submitted again",
        (
            "engine/test_run_states.py::test_a_fresh_run_may_be_unknown_for_a_minute_and_is_lost_after_that",
            "engine/test_refusals.py::test_a_404_on_a_poll_is_waited_out_for_a_minute_and_then_the_run_is_lost",
        ),
    ),
    Fault(
        "N9",
        "404 or 410 on a poll, after the service has dropped the run",
        "the row is `lost`, with its run",
        (
            "unit/dialects/test_unit_v1_polls.py::test_a_poll_that_is_refused",
            "engine/test_run_details.py::test_a_lost_or_late_run_has_the_details_of_the_last_answer",
            "unit/dialects/test_unit_open_polls.py::test_a_run_that_does_not_exist",
        ),
    ),
    Fault(
        "N10",
        "a run_id that is missing, null, empty, a list, a path, or longer than a path may be",
        "what cannot be asked for again is no run_id: in doubt; any other is quoted in the address",
        (
            "network/a run_id that is null",
            "network/a run_id that is empty",
            "network/a run_id that is a list",
            "network/a run_id that is a path",
            "network/a run_id that is the folder above",
            "network/a run_id that is longer than a path may be",
            "unit/dialects/test_unit_v1_polls.py::test_what_cannot_be_asked_for_again_is_no_run_id",
        ),
    ),
    Fault(
        "N11",
        "one run_id for two rows",
        "the first row keeps it, the second is in doubt",
        (
            "network/the run of another row",
            "contract/test_contract_checkpoint_transitions.py::test_a_run_can_be_named_twice_within_one_batch_only_by_one_row",
            "contract/test_contract_recovery.py::test_a_run_id_that_another_row_has_leaves_the_row_in_doubt_and_no_other",
        ),
    ),
    Fault(
        "N12",
        "an unknown status, a status that goes back, an end without an output, an output and an error",
        "an unknown word ends no run, the first end counts, a completed row stays completed",
        (
            "engine/test_run_states.py::test_an_unknown_status_does_not_end_a_run",
            "unit/domain/test_unit_states.py::test_a_completed_row_stays_completed",
            "unit/dialects/test_unit_v1_polls.py::test_a_run_without_an_output_has_none",
            "simulation",
        ),
    ),
    Fault(
        "N13",
        "a run that never ends",
        "`timed_out` after one more poll, with its run_id",
        (
            "engine/test_run_states.py::test_runs_that_never_end_time_out_after_one_more_poll",
            "engine/test_run_states.py::test_max_polls_ends_a_run",
        ),
    ),
    Fault(
        "N14",
        "an answer that drips, has no end, unpacks without end, is nested deeply, or has 100,000 members",
        "size, time and depth are capped; memory stays flat",
        (
            "network/drips a body",
            "network/an endless body",
            "network/a bomb of gzip",
            "network/a bomb of deflate",
            "network/a member nested deeply",
            "network/a hundred thousand members",
            "contract/test_contract_http_memory.py::test_all_large_answers_arrive_and_never_more_than_the_limit_is_held",
        ),
    ),
    Fault(
        "N15",
        "a redirect by 301, 302, 303, 307 or 308, perhaps to another host",
        "not followed; the token goes nowhere else",
        (
            "network/a redirect by 307",
            "contract/test_contract_http_requests.py::test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else",
            "engine/test_refusals.py::test_a_service_that_redirects_stops_the_job_at_its_first_answer",
        ),
    ),
    Fault(
        "N16",
        "HTTP 200 with an envelope that says that it failed",
        "the envelope counts, not the status",
        (
            "network/an error as documented",
            "network/an error as documented, of a code that nobody knows",
            "network/half an error",
        ),
    ),
    Fault(
        "N17",
        "the server restarts, and all kept connections end at once",
        "no POST is sent twice; one probe at a time until the service is back",
        (
            "contract/test_contract_http_connections.py::test_a_post_on_a_connection_that_was_just_closed_is_not_sent_a_second_time",
            "engine/test_unhelpful_polls.py::test_a_service_that_is_out_for_all_ends_no_row",
            "harness/test_unhelpful_polls_of_many.py::test_an_outage_of_all_polls_sends_one_probe_at_a_time",
            "network",
        ),
    ),
    Fault(
        "N18",
        "thousands of polls that are due together after a restart",
        "polls keep their own rate, from the first second on",
        (
            "engine/test_edge_cases.py::test_polls_keep_their_rate_across_a_kill",
            "contract/test_contract_rate_limiter.py::test_all_at_once_leave_at_the_rate_from_the_first_second_on",
            "engine/test_poll_schedule.py::test_runs_of_an_earlier_command_are_polled_by_their_age",
        ),
    ),
)

CALLBACKS = (
    Fault(
        "C1",
        "a callback that comes twice, in another order, or after the end",
        "nothing changes",
        (
            "engine/test_callbacks.py::test_early_double_and_garbage_callbacks_change_nothing",
            "engine/test_callbacks.py::test_a_thousand_callbacks_after_the_end_cause_no_poll",
            "simulation",
        ),
    ),
    Fault(
        "C2",
        "a callback before the answer of its POST",
        "kept until then; it may settle a doubt that follows",
        (
            "engine/test_callbacks.py::test_a_callback_before_the_answer_of_the_post_is_kept_until_then",
            "engine/test_callbacks_naming_runs.py::test_a_callback_during_its_post_settles_the_doubt_that_follows",
        ),
    ),
    Fault(
        "C3",
        "a forged callback: no proof, another run, an old job's, a huge, slow or wrong request",
        "refused, or a hint that a poll must confirm; floods are bounded",
        (
            "contract/test_contract_callbacks.py::test_what_proves_nothing_is_not_there",
            "contract/test_contract_callbacks.py::test_other_methods_are_refused",
            "contract/test_contract_callbacks_limits.py::test_of_a_body_that_is_too_long_nothing_is_used_but_it_came",
            "contract/test_contract_callbacks_limits.py::test_headers_that_trickle_are_cut_off_in_the_end",
            "contract/test_contract_callbacks_limits.py::test_in_a_flood_of_forged_ones_a_real_one_comes_through",
            "engine/test_callbacks.py::test_forged_callbacks_change_nothing_and_wake_nothing",
            "engine/test_callbacks.py::test_replayed_callbacks_wake_few_polls",
        ),
    ),
    Fault(
        "C4",
        "no callback comes, or the receiver's port is taken",
        "polling alone completes the job; a port in use is a mistake (2)",
        (
            "engine/test_callbacks.py::test_callbacks_that_fail_cost_no_more_than_having_none",
            "engine/test_callbacks.py::test_when_callbacks_stop_polls_are_frequent_again",
            "harness/test_callbacks_received.py::test_a_port_in_use_is_reported_before_anything_is_created",
        ),
    ),
    Fault(
        "C5",
        "a crash after a callback was answered and before anything of it was recorded",
        "nothing is lost: a callback only wakes a poll, and the next command polls the run anyway",
        (
            "harness/test_callbacks_received.py::test_a_job_is_killed_and_called_back_under_the_same_addresses",
            "simulation",
        ),
    ),
)
