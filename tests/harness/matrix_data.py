"""The fault matrix: the data."""

from tests.harness.matrix import Fault

DATA = (
    Fault(
        "X1",
        "byte order marks, UTF-16, other encodings than the one named",
        "a mark is fine; else refused with line, byte and the encoding that would work",
        (
            "hostile_inputs/a mark of UTF-8",
            "hostile_inputs/UTF-16 without a mark",
            "hostile_inputs/Latin-1",
            "adapters/test_tables_csv.py::test_bytes_of_another_encoding",
        ),
    ),
    Fault(
        "X2",
        "rows with fewer or more cells than the header",
        "refused, each of the first ten with its line",
        (
            "hostile_inputs/ragged rows, all of 50,000",
            "adapters/test_tables_csv.py::test_ragged_rows_are_named_together",
        ),
    ),
    Fault(
        "X3",
        "a quote that is never closed",
        "refused, with the line of its row; no row is swallowed",
        (
            "hostile_inputs/a lone quote",
            "hostile_inputs/a quote that is never closed in 80 MB",
            "adapters/test_tables_csv.py::test_quoting_names_the_line_where_the_row_starts",
        ),
    ),
    Fault(
        "X4",
        "names of columns that are empty, or come twice",
        "refused, with the numbers of the columns",
        (
            "hostile_inputs/a name twice",
            "hostile_inputs/an empty name",
            "hostile_inputs/a key twice",
            "adapters/test_tables_csv.py::test_headers_that_name_no_columns",
        ),
    ),
    Fault(
        "X5",
        "007, integers of 23 digits, NA, null; another delimiter",
        "text stays as written; one column with another delimiter in its name is a warning",
        (
            "adapters/test_tables_csv.py::test_cells_are_text_exactly_as_written",
            "adapters/test_tables_jsonl.py::test_numbers_of_any_length_are_sent_to_the_letter",
            "unit/app/test_unit_option_warnings.py::test_a_single_column_with_another_delimiter_in_its_name_causes_a_warning",
        ),
    ),
    Fault(
        "X6",
        "no rows, an empty file, a header alone",
        "0 rows end with 0 and both files with the whole schema; a CSV without a header is refused",
        (
            "hostile_inputs/only a header",
            "hostile_inputs/only a mark",
            "adapters/test_results.py::test_no_rows_still_have_the_whole_schema",
            "contract/test_contract_row_source.py::test_an_empty_input_brings_nothing",
        ),
    ),
    Fault(
        "X7",
        "NaN and infinity",
        "in an input: a row of kind `input`; in an output: kept as written",
        (
            "adapters/test_tables_parquet.py::test_nan_is_left_for_the_mapping_to_refuse",
            "engine/test_input_types.py::test_nan_in_a_union_cannot_be_sent",
            "engine/test_irregular_answers.py::test_the_output_is_kept_as_it_can_be_read",
            "network/NaN",
        ),
    ),
    Fault(
        "X8",
        "decimals, binary values, long integers, halves of surrogate pairs",
        "decimals and integers lose no digit; a binary column is refused; half a pair is refused, in an answer kept",
        (
            "adapters/test_tables_parquet.py::test_binary_columns_are_carried_but_marked",
            "engine/test_input_types.py::test_types_that_cannot_be_sent_or_written_are_refused_before_the_first_request",
            "engine/test_irregular_answers.py::test_half_a_surrogate_pair_in_any_layer_is_kept",
            "hostile_inputs/half a surrogate pair",
        ),
    ),
    Fault(
        "X9",
        "outputs of different shapes, structs without fields",
        "an output is JSON text; what Parquet cannot hold is written as JSON",
        (
            "adapters/test_results.py::test_columns_order_and_types",
            "engine/test_input_types.py::test_rows_of_every_type_are_written",
            "adapters/test_selections.py::test_one_type_for_each_column",
        ),
    ),
    Fault(
        "X10",
        "keys that come twice, or are null",
        "refused, with the rows",
        (
            "adapters/test_tables_inspection.py::test_keys_must_be_there_and_differ",
            "adapters/test_tables_inspection.py::test_only_ten_bad_keys_of_a_kind_are_named",
        ),
    ),
    Fault(
        "X11",
        "a huge cell or row, ten thousand columns, values nested millions of levels deep",
        "a request over 20 MB is a row of kind `input`; a line over 64 MB is refused with its place; memory is bounded",
        (
            "hostile_inputs/a cell of 63 MB",
            "hostile_inputs/a cell of 65 MB",
            "hostile_inputs/10,000 columns",
            "hostile_inputs/30 million levels",
            "adapters/test_row_sizes.py::test_a_row_that_is_too_large_is_named",
            "engine/test_preview.py::test_a_row_that_is_too_large_is_told_with_its_line",
        ),
    ),
    Fault(
        "X12",
        "Parquet and Arrow with every type; damaged, in the footer or anywhere; values that unpack to gigabytes",
        "every type that pyarrow reads is sent or refused by name; damage is told, and no row is left out silently",
        (
            "hostile_inputs",
            "hostile_inputs/100 rows that share a text of 10 MB, Parquet",
            "adapters/test_tables_damaged.py::test_no_row_of_a_damaged_parquet_file_is_left_out",
            "adapters/test_tables_damaged.py::test_values_of_an_arrow_file_that_are_not_there",
            "engine/test_input_types.py::test_rows_of_types_two_levels_deep_are_written",
        ),
    ),
    Fault(
        "X13",
        "the input is edited, replaced or appended to, while the job runs or before it goes on",
        "the job goes on with the rows it began with; other contents are refused before any request",
        (
            "harness/test_inputs_in_use.py::test_the_job_goes_on_with_the_rows_it_began_with",
            "engine/test_edge_cases.py::test_an_input_with_other_rows_while_the_job_runs_drains_it",
            "engine/test_whole_jobs.py::test_only_appended_rows_are_sent",
            "adapters/test_tables_inspection.py::test_rows_may_be_appended",
        ),
    ),
)
