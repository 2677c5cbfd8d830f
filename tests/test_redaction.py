"""Secrets are masked under their names, by their shapes and in addresses; what models call keys and tokens is not."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen import redaction

SECRETS = (
    "api_key",
    "API_KEY",
    "apiKey",
    "apikey",
    "wandb_token",
    "HF_TOKEN",
    "password",
    "passwd",
    "db_passwd",
    "db.password",
    "dbPassword",
    "aws_secret_access_key",
    "aws_access_key_id",
    "client_secret",
    "credentials",
    "auth",
    "authorization",
    "oauth_token",
    "refreshToken",
    "logger.wandb.api_key",
    "private_key",
    "ssh_key",
    "auth_token",
    "passphrase",
    "secret",
    "trainer/wandb/key",
    "git_credential",
    "token",
    "key",
    "userpassword",
    "mysql_pwd",
    "OPENAI_API_KEY",
)
HARMLESS = (
    "tokenizer",
    "tokenizer_name",
    "max_tokens",
    "num_tokens",
    "n_tokens",
    "keyboard",
    "monkey",
    "author",
    "authors",
    "key_dim",
    "num_key_value_heads",
    "tokens",
    "keys",
    "pad_token",
    "eos_token",
    "token_type",
    "key_padding_mask",
    "sort_key",
    "lr",
    "label_key",
    "monitor",
    "compass",
    "bypass",
    "keypoints",
    "max_new_tokens",
    "token_dropout",
    "vocab_tokens",
    "passes",
)


@pytest.mark.parametrize("name", SECRETS)
def test_a_text_under_a_secrets_name_is_masked(name):
    assert redaction.value(name, "CANARY-0a1b") == "***"


@pytest.mark.parametrize("name", HARMLESS)
def test_a_value_under_another_name_is_not(name):
    assert redaction.value(name, "linear") == "linear"
    assert redaction.value(name, 4096) == 4096


@pytest.mark.parametrize("value", [True, False, None, 0, 1, 64, 0.5, "none", "", "true", "12"])
def test_small_numbers_and_yes_or_no_are_no_secrets(value):
    assert redaction.value("api_key", value) == value


def test_a_long_number_may_be_a_password():
    assert redaction.value("password", 123456789) == "***"


@pytest.mark.parametrize(
    "text",
    [
        "hf_CANARYabcdefghijklmnopqrstu",
        "sk-CANARYabcdefghijk1mnop",
        "ghp_CANARYabcdefghijklmnopqrs",
        "AKIACANARYCANARY1234",
        "--api-key CANARY12",
        "--api-key=CANARY12",
        "--password 'CANARY 12'",
        "https://user:CANARY@host.example/x",
        "s3://b/x?X-Amz-Signature=CANARY&x=1",
        "https://h/x?sig=CANARY&se=CANARY",
        "curl -H 'Authorization: Bearer CANARY123'",
        "Authorization: Basic CANARYabc",
        "Authorization: token CANARYabc",
        "WANDB_API_KEY=CANARY12 python train.py",
        '{"api_key": "CANARY"}',
        "{'password': 'CANARY'}",
        "password: CANARY",
        "|api_key|CANARY|",
        "| wandb_token | CANARY |",
        "token=CANARY",
        "ValueError: login failed with password=CANARY",
        "export AWS_SECRET_ACCESS_KEY=CANARY/abc+def",
        "env=API_KEY=CANARY1",
        "eyJCANARYCANARY.eyJCANARY123.CANARYxyz",
        "postgres://me:CANARY@db/x",
        "https://api.example/x?api_key=CANARY",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_in_a_text_are_masked(text):
    made = redaction.text(text)
    assert "CANARY" not in made
    assert "***" in made
    assert redaction.text(made) == made


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'loss'",
        "unexpected key: layer1.weight",
        "step 1: loss 0.5",
        "max_tokens=4096",
        "key_dim: 64",
        "expected (8, 3) got token 12",
        "--max-tokens 1000",
        "a ratio of 1/2 and 3 it/s",
        "num_key_value_heads=8",
        "token type_ids_and_more",
        "basic blocks/conv1",
        "author: A. Person",
        "expected KEY=VALUE",
        "epoch=1, lr=0.1",
        "https://example.org/a/b",
        "tokenizer=bert-base",
        "loss/train/a",
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert redaction.text(text) == text


def test_the_words_of_a_command_line():
    words = [
        "reportgen",
        "generate",
        "--api-key",
        "CANARY",
        "--password=CANARY",
        "--fact",
        "token=CANARY",
        "--samples",
        "8",
    ]
    made = redaction.command(words)
    assert "CANARY" not in " ".join(made)
    assert made[-2:] == ["--samples", "8"]


def test_paths_are_shortened(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/data/people/ann")
    assert redaction.text(f"no file {tmp_path}/runs/a.csv") == "no file ./runs/a.csv"
    assert redaction.text("at /data/people/ann/exp/x.yaml:3") == "at ~/exp/x.yaml:3"
    assert redaction.text("/home/bob/exp/x.yaml") == "~/exp/x.yaml"
    assert redaction.text("/mnt/store/secret-project/runs/x.yaml") == "…/runs/x.yaml"
    assert redaction.text(r"C:\Users\bob\exp\x.yaml").startswith("~")


def test_nothing_is_raised_without_a_home_or_a_working_folder(monkeypatch, tmp_path):
    def gone(*given):
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", gone)
    monkeypatch.setattr(Path, "home", gone)
    assert redaction.text("/mnt/a/b/c") == "…/b/c"


def test_hosts_are_masked_but_this_one():
    assert redaction.value("host", "gpu17.cluster.corp") == "***"
    assert redaction.value("host", "localhost") == "localhost"


@given(st.text(max_size=300))
def test_any_text_is_taken_and_a_second_time_changes_nothing_of_masks(given):
    assert isinstance(redaction.text(given), str)
    assert isinstance(redaction.is_secret(given), bool)


def test_long_texts_take_no_longer_than_their_length():
    for text in (
        "a" * 200_000,
        "/" * 200_000,
        "key=" * 50_000,
        "|a" * 100_000,
        "--a " * 50_000,
        "a:" * 100_000,
        "/a" * 100_000,
    ):
        assert isinstance(redaction.text(text), str)
