"""Requests and answers as pydantic models; OpenAPI is made from them."""
