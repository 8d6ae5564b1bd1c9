import duckdb

from featcx_core.report.questions import questions
from tests.core.findings.synthetic import REFERENCE, study


def test_every_question_of_the_page_is_valid_sql():
    connection = duckdb.connect()
    for name, table in study()._asdict().items():
        connection.register(name, table)
    for question, query in questions("mnist", reference_epoch=REFERENCE):
        assert len(connection.execute(query).df()) > 0, question
