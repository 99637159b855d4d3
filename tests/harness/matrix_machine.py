"""The fault matrix: the process, and the disk."""

from tests.harness.matrix import Fault

PROCESS = (
    Fault(
        "K1",
        "SIGKILL at every change of the checkpoint, at chosen calls and at random moments, of each command",
        "the same command goes on; nothing acknowledged is lost, nothing is paid for twice unasked",
        (
            "kills",
            "harness/test_killed_after_each_change.py::test_with_hold_only_rows_in_doubt_differ_and_no_row_is_paid_twice",
            "harness/test_killed_after_each_change.py::test_no_more_rows_are_in_doubt_than_there_are_connections",
            "harness/test_sweeps_killed.py::test_killed_after_any_change_the_scores_are_the_same",
        ),
    ),
    Fault(
        "K2",
        "SIGTERM, SIGINT, SIGHUP, once and twice; a standard output or error that is closed",
        "the first drains and names the next command, the second leaves at once; a closed stream stops no job",
        (
            "harness/test_killed.py::test_the_first_signal_drains_and_names_the_command_that_resumes",
            "harness/test_killed.py::test_the_second_signal_leaves_at_once",
            "harness/test_interrupted_start.py::test_at_any_call_of_a_job_it_is_undone_or_goes_on_later",
            "acceptance/test_progress_json.py::test_a_reader_of_standard_error_that_goes_away_changes_nothing",
            "acceptance/test_standard_streams.py::test_a_reader_that_goes_away_is_no_error",
        ),
    ),
    Fault(
        "K3",
        "memory runs out: the kernel ends the process, or Python raises",
        "as K1 (a SIGKILL), or the job stops (74); it never waits for what was lost",
        (
            "kills",
            "hostile_inputs",
            "contract/test_contract_http_memory.py::test_answers_are_passed_on_only_as_earlier_ones_are_dropped",
            "contract/test_contract_journal.py::test_nobody_waits_for_a_journal_that_failed",
            "engine/test_failed_writes.py::test_the_summary_reports_a_failure_of_the_disk",
            "unit/app/test_unit_memory_shortage.py::test_the_process_ends",
        ),
    ),
    Fault(
        "K4",
        "the process or the machine is suspended, and the clock jumps",
        "what arrived meanwhile is read; rates and times hold",
        (
            "harness/test_suspended.py::test_what_arrives_while_the_process_is_suspended_is_not_lost",
            "engine/test_edge_cases.py::test_a_clock_that_jumps_back_loses_no_run",
            "engine/test_outages_at_the_end.py::test_the_rate_holds_across_a_restart_whatever_the_clock_says",
            "simulation",
        ),
    ),
    Fault(
        "K5",
        "the process forks while the checkpoint is open",
        "no part of it does; other programs are started with a new image only",
        ("acceptance/test_process.py::test_no_part_of_it_forks",),
    ),
    Fault(
        "K6",
        "a second command on the same directory, perhaps in the same millisecond; a lock that is left over",
        "75, and nothing changes; the lock ends with its process",
        (
            "owners",
            "contract/test_contract_lock.py::test_a_second_owner_is_turned_away_at_once_and_changes_nothing",
            "contract/test_contract_lock.py::test_a_process_that_is_killed_leaves_no_lock",
            "contract/test_contract_lock.py::test_a_lock_file_of_garbage_is_no_hindrance",
        ),
    ),
    Fault(
        "K7",
        "a bug in the middle of the job; a function of the user that raises",
        "everything is recorded, exit code 1; a scorer or parser that raises costs its row alone",
        (
            "engine/test_failed_writes.py::test_a_bug_is_raised_after_everything_is_recorded",
            "engine/test_irregular_answers.py::test_a_parser_that_raises_costs_no_other_row_anything",
            "engine/test_scored.py::test_a_function_of_python_may_fail_for_a_row",
            "engine/test_task_pool.py::test_work_that_fails_fails_the_group",
        ),
    ),
    Fault(
        "K8",
        "the disk is so slow that records wait to be written",
        "nothing is acknowledged before its commit; nothing more is sent while too much waits",
        (
            "contract/test_contract_journal.py::test_nothing_is_acknowledged_before_its_commit_has_returned",
            "contract/test_contract_journal_queue.py::test_a_note_waits_while_too_much_is_queued_and_only_then",
            "contract/test_contract_journal_queue.py::test_where_much_waits_to_be_written_there_is_no_room_until_it_is",
        ),
    ),
)

DISK = (
    Fault(
        "D1",
        "the disk is full: at the checkpoint, its log, results, an export",
        "74, and the file is named; the same command goes on once there is room",
        (
            "full_disk",
            "contract/test_contract_journal_full_disk.py::test_the_next_command_goes_on_where_the_disk_was_full",
            "adapters/test_results.py::test_a_full_disk_leaves_the_old_files",
        ),
    ),
    Fault(
        "D2",
        "a read-only folder, no permission, a file that is a folder, a parent that is missing",
        "refused before the first request",
        (
            "full_disk",
            "engine/test_special_files.py::test_a_job_that_cannot_be_written_is_not_sent_elsewhere",
            "engine/test_special_files.py::test_a_file_of_the_job",
            "adapters/test_results.py::test_no_folder_to_write_to",
        ),
    ),
    Fault(
        "D3",
        "a power cut: unsynced writes are lost, reordered or torn",
        "no acknowledged transition is lost",
        ("power_cut",),
    ),
    Fault(
        "D4",
        "damage to the database or its log; the log is deleted, only the database is copied",
        "noticed and refused with what to do, or all that was recorded is there",
        (
            "damage",
            "harness/test_lost_checkpoint.py::test_of_a_killed_job_only_the_database_was_copied",
            "harness/test_damaged_checkpoint.py::test_a_damaged_page_is_no_bug",
            "contract/test_contract_checkpoint_files.py::test_a_database_that_is_not_ours_is_refused_and_left_alone",
        ),
    ),
    Fault(
        "D5",
        "a sync to the disk fails",
        "the job stops (74) and sends nothing more",
        ("full_disk", "harness/test_held_checkpoint.py::test_nothing_new_is_sent_while_another_program_holds_it"),
    ),
    Fault(
        "D6",
        "a file of results is cut off, missing, or not ours",
        "results are written again from the checkpoint; a file that is not ours is left alone",
        (
            "harness/test_lost_checkpoint.py::test_what_is_left_can_be_exported",
            "engine/test_exported.py::test_a_file_of_scores_that_is_not_ours_is_left_out",
            "engine/test_special_files.py::test_files_that_export_would_replace",
            "adapters/test_results.py::test_fewer_records_than_are_counted_replace_nothing",
        ),
    ),
    Fault(
        "D7",
        "results go to another file system",
        "each file is written beside its target and renamed there",
        (
            "adapters/test_files.py::test_an_unfinished_file_is_in_the_folder_of_its_target",
            "adapters/test_files.py::test_nothing_is_replaced_when_the_block_fails",
        ),
    ),
    Fault(
        "D8",
        "the run directory is on a network file system",
        "refused, with `--checkpoint-dir` as the way out",
        (
            "contract/test_contract_filesystem.py::test_a_network_file_system_is_refused_with_the_way_out",
            "engine/test_checkpoint_elsewhere.py::test_a_moved_run_directory_keeps_its_checkpoint",
        ),
    ),
)
