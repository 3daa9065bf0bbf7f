"""What went wrong in registries and scanners of others, what we take from it, and the tests that hold it.

Tests are `path::name`, below `tests/`. An incident of something that Hullwise does not have says so instead.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incident:
    row: int
    what: str
    """And where: CVE ids, or advisories."""
    lesson: str
    tests: tuple[str, ...] = ()
    absent: str = ""
    """Why nothing here could have it, where there is no test."""


_SIGV4 = "unit/auth/test_sigv4.py"
_REMOTE = "unit/remotes"

INCIDENTS = (
    Incident(
        1,
        "CVE-2026-32590: the state of an upload's hash was unpickled",
        "nothing from outside becomes code",
        (
            "hostile/test_source.py::test_nothing_that_runs_what_it_reads",
            "hostile/test_source.py::test_jobs_are_json",
        ),
    ),
    Incident(
        2,
        "CVE-2026-32589: whoever may push could touch another repository's upload by its id",
        "an upload is its repository's and its key's",
        (
            "hostile/test_boundaries.py::test_an_upload_of_somebody_else",
            "flows/test_registry_api.py::test_an_upload_belongs_to_its_repository_and_key",
        ),
    ),
    Incident(
        3,
        "CVE-2024-39897: a cache of blobs let anybody read one by its digest",
        "a blob is seen through its repository alone",
        (
            "hostile/test_boundaries.py::test_a_digest_of_somebody_else",
            "api/test_oci_push_pull.py::test_a_blob_is_read_in_its_repository_only",
        ),
    ),
    Incident(
        4,
        "CVE-2026-35172: a deleted blob was readable again once another repository touched it",
        "what was deleted stays so, whatever others push",
        ("hostile/test_boundaries.py::test_a_deleted_blob_does_not_come_back",),
    ),
    Incident(
        5,
        "GHSA-qg67-7m6v-qg25: DELETE went with a token that could only push",
        "each operation is allowed for itself, and none without a login",
        (
            "hostile/test_credentials.py::test_no_route_without_a_login",
            "api/test_json_api.py::test_every_route_asks_for_a_good_token",
            "api/test_permissions.py::test_a_bearer_token_is_good_for_what_it_names",
        ),
    ),
    Incident(
        6,
        "CVE-2026-31801: `latest` was exempt from the check of updates, and so were the tags of one push",
        "no name is special, and each tag is looked at",
        (
            "hostile/test_boundaries.py::test_no_tag_is_special",
            "conformance/test_conformance_manifests.py::test_tags_that_cannot_be",
        ),
    ),
    Incident(
        7,
        "CVE-2026-41888: a tag was deleted although deleting was switched off",
        "every way to delete asks the same rule",
        (
            "hostile/test_boundaries.py::test_every_way_to_delete_is_held",
            "api/test_aws_images.py::test_what_an_index_lists_is_not_deleted",
        ),
    ),
    Incident(8, "CVE-2025-23208: revoked groups were kept", "rights are read anew", absent="there are no groups"),
    Incident(
        9,
        "tokens older than the project of that name (Harbor, 2026)",
        "a name used again is another repository",
        (
            "hostile/test_boundaries.py::test_a_name_used_again",
            "api/test_oci_push_pull.py::test_a_repository_made_anew_takes_no_uploads_of_the_old",
            "flows/test_aws_api.py::test_a_name_used_again_is_another_repository",
        ),
    ),
    Incident(
        10,
        "CVE-2025-24976, CVE-2026-33322: a token brought its own key",
        "one key and one algorithm, which are ours",
        (
            "hostile/test_credentials.py::test_a_token_of_ones_own_making",
            "unit/auth/test_tokens.py::test_a_changed_token",
            "unit/auth/test_tokens.py::test_a_token_of_another_installation",
        ),
    ),
    Incident(11, "CVE-2019-16097: registering as an administrator", "fields by name", absent="nobody registers"),
    Incident(
        12,
        "CVE-2026-4404, and every default password before it",
        "no secret that anybody could know",
        (
            "hostile/test_credentials.py::test_no_default_secret",
            "cli/test_serve_command.py::test_the_first_start_says_all_that_a_client_needs",
            "unit/auth/test_keys.py::test_a_pair_has_awss_form",
        ),
    ),
    Incident(
        13,
        "CVE-2020-29662, CVE-2019-19030, CVE-2020-13794: lists without a login, names that could be guessed",
        "what is another's looks like what is not there",
        (
            "hostile/test_boundaries.py::test_what_is_hidden_looks_absent",
            "api/test_oci_lists.py::test_the_catalog_is_the_callers_own",
        ),
    ),
    Incident(
        14,
        "CVE-2022-31668, CVE-2024-22278: projects of others were changed",
        "the account is part of every query",
        (
            "flows/test_aws_api.py::test_another_account_sees_nothing",
            "api/test_json_api.py::test_one_account_sees_nothing_of_another",
            "api/test_permissions.py::test_another_accounts_registry_is_not_there",
        ),
    ),
    Incident(
        15,
        "CVE-2025-30086, CVE-2024-22261, CVE-2019-19026, CVE-2019-19029: SQL and filters by any column",
        "values are bound, and names are ours",
        (
            "hostile/test_input.py::test_sql_is_text",
            "hostile/test_source.py::test_statements_are_not_put_together",
        ),
    ),
    Incident(16, "CVE-2025-32019: script in a description", "strict policy", absent="there are no pages yet"),
    Incident(
        17,
        "CVE-2024-22244: redirects to anywhere",
        "no answer leads to another host",
        ("hostile/test_input.py::test_no_answer_leads_elsewhere",),
    ),
    Incident(
        18,
        "CVE-2023-20902: a secret compared byte by byte",
        "secrets compare in constant time",
        (
            "hostile/test_source.py::test_secrets_are_compared_in_constant_time",
            f"{_SIGV4}::test_an_unknown_key_costs_the_same_work",
        ),
    ),
    Incident(
        19,
        "CVE-2025-48374: secrets in logs",
        "a secret is shown nowhere",
        (
            "hostile/test_source.py::test_values_do_not_show_their_secrets",
            "cli/test_serve_command.py::test_no_secret_reaches_the_log",
            "unit/auth/test_keys.py::test_a_secret_is_nowhere_in_the_data",
        ),
    ),
    Incident(
        20,
        "CVE-2023-2253, CVE-2017-11468: memory as large as a number in a query, and as a body",
        "limits before memory",
        (
            "hostile/test_input.py::test_numbers_make_no_memory",
            "hostile/test_input.py::test_bodies_without_an_end",
            "hostile/test_input.py::test_large_bodies_at_once",
            "hostile/test_input.py::test_a_download_that_stands_still",
            "api/test_oci_bad_input.py::test_a_manifest_up_to_its_limit",
        ),
    ),
    Incident(
        21,
        "CVE-2021-41190: one document that is a manifest and an index",
        "a document is one thing to everybody",
        (
            "unit/domain/test_manifests.py::test_two_media_types_must_agree",
            "unit/domain/test_manifests.py::test_repeated_keys_are_refused",
            "api/test_oci_bad_input.py::test_a_manifest_that_is_none",
            "api/test_oci_bad_input.py::test_a_declared_type_that_is_another",
        ),
    ),
    Incident(
        22,
        "CVE-2026-33540, CVE-2026-48978, CVE-2026-49349: credentials sent to whom the other side named",
        "credentials go to their origin alone",
        (
            f"{_REMOTE}/test_remote_documents.py::test_passwords_go_to_their_origin_only",
            f"{_REMOTE}/test_remote_urls.py::test_redirects_carry_credentials_to_their_origin_only",
        ),
    ),
    Incident(
        23,
        "CVE-2020-13788, CVE-2026-2376: requests into one's own network",
        "the address that was checked is the one that is connected to",
        (
            f"{_REMOTE}/test_remote_network.py::test_a_name_is_resolved_once_a_connection",
            f"{_REMOTE}/test_remote_network.py::test_a_redirect_is_checked_like_a_request",
            f"{_REMOTE}/test_remote_network.py::test_the_environment_is_not_asked",
            "flows/test_event_delivery.py::test_what_rules_forbid_is_a_failure_that_is_seen",
        ),
    ),
    Incident(
        24,
        "CVE-2026-10517: the scanner fetched layers from where its callers said",
        "a layer is read from our own storage or not at all",
        ("hostile/test_input.py::test_urls_in_a_manifest_are_not_fetched",),
    ),
    Incident(
        25,
        "CVE-2021-3762, CVE-2024-24579: archives that wrote outside of their folder",
        "nothing is unpacked to disk",
        (
            "flows/test_bad_images.py::test_paths_that_lead_out_stay_inside",
            "unit/inventory/test_archive.py::test_paths_stay_inside_the_root",
            "unit/inventory/test_walk.py::test_hard_links_that_lead_elsewhere",
        ),
    ),
    Incident(
        26,
        "CVE-2026-54448, CVE-2024-29902: bombs",
        "limits of bytes, ratio, entries, memory and time",
        (
            "unit/inventory/test_decompression.py::test_bomb_of_zeros",
            "unit/inventory/test_archive.py::test_too_many_entries",
            "unit/inventory/test_sandbox.py::test_too_much_memory",
            "unit/inventory/test_sandbox.py::test_too_much_cpu",
            "flows/test_bad_images.py::test_a_bad_image_fails_its_own_scan",
        ),
    ),
    Incident(
        27,
        "CVE-2026-33481: temporary files that nobody removed",
        "a scan leaves none",
        ("hostile/test_source.py::test_scans_leave_no_temporary_files",),
    ),
    Incident(
        28,
        "CVE-2024-35192, CVE-2025-65965: credentials in reports",
        "reports have the members that they have",
        absent="scanning knows no credentials: layers come from our own storage",
    ),
    Incident(
        29, "CVE-2026-33634: a release pipeline", "pinned by digest", ("house/test_docs.py::test_locks_name_no_host",)
    ),
    Incident(
        30,
        "CVE-2025-31489, CVE-2026-40344, CVE-2026-41145: one way to sign that nobody checked",
        "one place for credentials, looked at before anything else",
        (
            "hostile/test_credentials.py::test_every_other_way_to_sign",
            f"{_SIGV4}::test_any_spelling_of_a_query_signature_counts",
            f"{_SIGV4}::test_the_body_cannot_be_left_unsigned",
            "hostile/test_signatures.py::test_any_byte_of_a_request",
        ),
    ),
    Incident(
        31,
        "CVE-2023-28432, CVE-2026-42600: the environment for everybody, and paths out of the storage",
        "no route but those that are meant, and keys that are ours",
        (
            "hostile/test_credentials.py::test_what_is_open_to_everybody",
            "contract/test_blob_storage.py::test_bad_keys_are_refused",
            "api/test_oci_bad_input.py::test_a_path_that_leads_nowhere",
        ),
    ),
    Incident(
        32,
        "ECR Public, 2022: actions that nobody had documented",
        "an action that is not in the model is none",
        (
            "hostile/test_credentials.py::test_no_hidden_operations",
            "hostile/test_credentials.py::test_what_is_not_offered_does_nothing",
            "api/test_aws_protocol.py::test_a_target_that_is_no_operation",
            "flows/test_aws_api.py::test_the_table_of_operations_is_the_models",
        ),
    ),
    Incident(
        33, "CVE-2022-36056, CVE-2026-22703: signatures of something else", "claim no trust", absent="none is claimed"
    ),
    Incident(
        34,
        "CVE-2023-33957, CVE-2023-33958: signatures without an end",
        "referrers in pages, limited by their number and their bytes",
        (
            "conformance/test_conformance_lists.py::test_more_than_one_answer_holds",
            "api/test_oci_lists.py::test_long_lists_of_referrers_go_on",
        ),
    ),
    Incident(
        35, "CVE-2024-9683: passwords of which 72 bytes count", "whole secrets", absent="nobody chooses a password"
    ),
    Incident(
        36,
        "mounts of what one may not read (pulp)",
        "where it cannot be, the client uploads, and learns nothing",
        (
            "hostile/test_boundaries.py::test_a_digest_of_somebody_else",
            "api/test_oci_push_pull.py::test_mounting_from_another_account",
        ),
    ),
    Incident(37, "formulas in CSV", "cells that begin harmlessly", absent="there is no CSV"),
)
