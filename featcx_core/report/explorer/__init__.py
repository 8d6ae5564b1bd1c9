"""The concept explorer: a folder of pages, scripts and pictures that opens from disk in a browser, without a server.

A page that is opened from disk may not fetch other files, so data comes as scripts that hand themselves over.
"""
